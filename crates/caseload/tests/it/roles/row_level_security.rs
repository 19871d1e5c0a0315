//! Row-level security (`deploy/row_level_security.sql`): Postgres restricts all queries for a tenant to its rows,
//! except the creation of tasks.

use domain::{ApiKey, Scope};
use localdb::Cluster;
use store::{Database, DatabaseUrl, Error, PoolSettings};
use tonic_health::pb::health_check_response::ServingStatus;

use super::{
    fixture::{OWNER, SERVICE, cluster, run_file, set_up, set_up_as_owner, url_as},
    grants, service, setup,
};
use crate::{
    documentation::PageCommands,
    outages::probes::grpc_health,
    support::{
        API_CALLS, App, Kind, LONG_LOCK_TIMEOUT, Program, TestDatabase, new_key,
        polling::eventually, populate, postgres_program, psql, start_server_process,
    },
};

const FILE: &str = "row_level_security.sql";
const REMOVAL: &str = "drop_row_level_security.sql";
const OPTION: &str = "--row-level-security";

/// Starts a Postgres with roles, and with row-level security. Returns the superuser's URL, too.
fn secured() -> (Cluster, DatabaseUrl) {
    let cluster = cluster();
    set_up(&cluster);
    let url = cluster.url("caseload").parse().unwrap();
    run_file(&url, FILE, &[]);
    (cluster, url)
}

async fn app_on(cluster: &Cluster) -> App {
    let database = TestDatabase::at(&cluster.url("caseload"));
    let app = App::builder().server_args(&[OPTION]);
    app.start_as(database, &url_as(cluster, SERVICE)).await
}

/// Creates another tenant with a key for everything.
async fn other_key(app: &App) -> ApiKey {
    let (tenant, _) = populate(&app.admin, "Another").await;
    let key = new_key();
    app.store_key(tenant, &key, &Scope::ALL, None).await;
    key
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_works_with_it_and_another_without_goes_on_beside_it() {
    let (cluster, superuser) = secured();
    // Each release runs both files again.
    run_file(&superuser, "roles.sql", &[]);
    run_file(&superuser, FILE, &[]);
    service::assert_works_with(&cluster, &[OPTION]).await;
    psql(
        &superuser,
        "DELETE FROM idempotency_keys; DELETE FROM task_events; DELETE FROM creation_events",
    );
    psql(&superuser, "UPDATE tenants SET name = 'Before'");
    service::assert_works(&cluster).await;
    // The other roles have what they had, and caseload_tenant no more than the service.
    let of = |role| {
        format!(
            "SELECT table_name, column_name, privilege_type \
             FROM information_schema.column_privileges WHERE grantee = '{role}'"
        )
    };
    let more = format!("{} EXCEPT {}", of("caseload_tenant"), of("caseload_service"));
    assert_eq!(psql(&superuser, &more), "");
    run_file(&superuser, REMOVAL, &[]);
    grants::assert_as_documented(&superuser);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_finds_what_another_tenant_has() {
    let (cluster, _) = secured();
    let app = app_on(&cluster).await;
    let (own, other) = (app.key_for_all().await, other_key(&app).await);
    app.use_idempotency_key("the-key");
    for call in API_CALLS {
        // These create or list what the caller has.
        let is_about_the_target = !matches!(
            call.kind,
            Kind::CreateCase
                | Kind::ListCases
                | Kind::ListFedCases
                | Kind::ListUsers
                | Kind::ListOfUser
                | Kind::UpsertUsers
                | Kind::UpsertCases
                | Kind::FindUser
        );
        let target = app.target();
        let found = call.result(&app, Some(&other), &target).await;
        if is_about_the_target {
            assert!(found.starts_with("NOT_FOUND "), "{}: {found}", call.name);
        } else {
            assert_eq!(found, "OK", "{}", call.name);
        }
        assert_eq!(call.result(&app, Some(&own), &target).await, "OK", "{}", call.name);
    }
}

/// So whatever a call asks for, it gets no rows of other tenants.
#[tokio::test(flavor = "multi_thread")]
async fn every_call_but_the_creation_of_tasks_is_made_as_the_restricted_role() {
    let (cluster, superuser) = secured();
    let app = app_on(&cluster).await;
    let key = app.key_for_all().await;
    app.use_idempotency_key("the-key");
    // Without any privilege the server would be NOT_SERVING.
    psql(
        &superuser,
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM caseload_tenant; \
         GRANT TRUNCATE ON ALL TABLES IN SCHEMA public TO caseload_tenant",
    );
    for call in API_CALLS {
        let expected = match call.kind {
            Kind::Create => "OK",
            _ => "INTERNAL INTERNAL",
        };
        let result = call.result(&app, Some(&key), &app.target()).await;
        assert_eq!(result, expected, "{}", call.name);
    }
}

/// Returns what is left of it.
const LEFT: &str = "\
    SELECT relname FROM pg_class WHERE relrowsecurity AND relnamespace = 'public'::regnamespace \
    UNION ALL SELECT polname FROM pg_policy \
    UNION ALL SELECT typname FROM pg_type WHERE typname = 'caseload_tenants' \
    UNION ALL SELECT rolname FROM pg_roles WHERE rolname = 'caseload_tenant' \
    UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'caseload_%' AND NOT rolinherit";

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_set_it_up_and_remove_it_and_need_no_superuser() {
    let cluster = cluster();
    let (superuser, dba) = set_up_as_owner(&cluster);
    // Only a superuser may have roles.sql do this.
    psql(&superuser, "ALTER ROLE caseload_service SET lc_messages = 'C'");
    let url = dba.expose();
    // postgresql://USER@localhost:PORT/caseload?host=DIRECTORY
    let [user, port, directory] = ["//", "localhost:", "?host="].map(|before| {
        let (_, rest) = url.split_once(before).unwrap();
        rest.split(['@', '/']).next().unwrap().replace("%2F", "/")
    });
    let run = |name| {
        let commands = PageCommands::of("docs/OPERATIONS.md", name);
        let commands = commands.env("PGUSER", &user).env("PGPORT", &port);
        commands.env("PGHOST", &directory).run();
    };
    run("row-level security");
    service::assert_works_with(&cluster, &[OPTION]).await;
    run("removal of row-level security");
    assert_eq!(psql(&superuser, LEFT), "");
}

/// The tables with policies, in the order in which they are verified, and the one that only the service reads.
const NOT_FOR_ADMIN: &str = "tenant_hosts, api_keys, users, cases, tasks, task_assignees, task_events, \
    creation_events, idempotency_keys, audit_heads, audit_entries, audit_outbox, __diesel_schema_migrations";

#[tokio::test(flavor = "multi_thread")]
async fn commands_work_beside_it() {
    let (cluster, _) = secured();
    setup::assert_admin_works(&cluster, NOT_FOR_ADMIN);
}

#[test]
fn a_dump_by_another_role_needs_an_option_until_it_is_removed() {
    let (cluster, superuser) = secured();
    let data = "\
        INSERT INTO tenants (id, name) VALUES (1, 'a'), (2, 'b'); \
        INSERT INTO cases (tenant_id, id, name) VALUES (1, 1, 'case-1'), (2, 1, 'case-2'); \
        CREATE ROLE backup LOGIN IN ROLE pg_read_all_data";
    psql(&superuser, data);
    let dump = |role, args: &[&str]| {
        let url = url_as(&cluster, role);
        postgres_program("pg_dump").args(args).args(["--dbname", url.expose()]).output().unwrap()
    };
    let refused = dump("backup", &[]);
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(error.contains("query would be affected by row-level security policy"), "{error}");
    let assert_complete = |role, args: &[&str]| {
        let dumped = dump(role, args);
        let text = String::from_utf8(dumped.stdout).unwrap();
        assert!(dumped.status.success() && text.contains("case-1") && text.contains("case-2"));
    };
    assert_complete("backup", &["--enable-row-security"]);
    assert_complete(OWNER, &[]);
    run_file(&superuser, REMOVAL, &[]);
    assert_complete("backup", &[]);
    assert_eq!(psql(&superuser, LEFT), "");
}

/// Mistakes of an administrator, the reason that is reported of each, and what corrects it before the file is run again.
const MISTAKES: [(&str, &str, &str); 11] = [
    (
        "ALTER ROLE caseload_tenant BYPASSRLS",
        "the role caseload_tenant bypasses it, as a superuser or by BYPASSRLS",
        "ALTER ROLE caseload_tenant NOBYPASSRLS",
    ),
    (
        "ALTER ROLE caseload_tenant SUPERUSER",
        "the role caseload_tenant bypasses it, as a superuser or by BYPASSRLS",
        "ALTER ROLE caseload_tenant NOSUPERUSER",
    ),
    (
        "ALTER TABLE users OWNER TO caseload_tenant",
        "the role caseload_tenant bypasses it, as an owner of the table users",
        "ALTER TABLE users OWNER TO caseload_owner",
    ),
    (
        "GRANT caseload_owner TO caseload_tenant",
        "the role caseload_tenant bypasses it, as an owner of the table api_keys",
        "REVOKE caseload_owner FROM caseload_tenant",
    ),
    (
        "REVOKE caseload_tenant FROM caseload_service",
        "the role caseload_service may not become caseload_tenant",
        "GRANT caseload_tenant TO caseload_service",
    ),
    (
        "ALTER TABLE tasks DISABLE ROW LEVEL SECURITY",
        "the table tasks lacks its policies, or they are not on",
        "ALTER TABLE tasks ENABLE ROW LEVEL SECURITY",
    ),
    ("DROP POLICY caseload_tenants ON cases", "the table cases lacks its policies", "SELECT 1"),
    (
        "ALTER POLICY caseload_tenants ON cases USING (true)",
        "the table cases lacks its policies",
        "SELECT 1",
    ),
    (
        "ALTER POLICY caseload_tenants ON cases WITH CHECK (true)",
        "the table cases lacks its policies",
        "SELECT 1",
    ),
    (
        "CREATE TABLE labels (tenant_id bigint); GRANT SELECT ON labels TO PUBLIC",
        "the table labels lacks its policies",
        "DROP TABLE labels",
    ),
    (
        "REVOKE ALL ON users FROM caseload_tenant",
        "the role caseload_tenant has no privilege on the table users",
        "SELECT 1",
    ),
];

/// Returns a pool of the service with row-level security.
fn secured_database(cluster: &Cluster) -> Database {
    let settings = PoolSettings {
        writers: 0,
        readers: 1,
        changers: 0,
        checkout_timeout: LONG_LOCK_TIMEOUT,
        lock_timeout: LONG_LOCK_TIMEOUT,
        tenant_queue_length: 1,
    };
    Database::open_with_row_level_security(&url_as(cluster, SERVICE), &settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_it_from_working_is_reported() {
    let (cluster, superuser) = secured();
    let database = secured_database(&cluster);
    let inherited = "the role caseload_service inherits from caseload_tenant";
    let is_new =
        psql(&superuser, "SELECT current_setting('server_version_num')::integer >= 160000");
    let inherit = match is_new.as_str() {
        "t" => "GRANT caseload_tenant TO caseload_service WITH INHERIT TRUE",
        _ => "ALTER ROLE caseload_service INHERIT",
    };
    let inherits = (inherit, inherited, "SELECT 1");
    let no_domain =
        ("DROP DOMAIN caseload_tenants", "there is no domain caseload_tenants", "SELECT 1");
    for (mistake, reason, mend) in MISTAKES.into_iter().chain([inherits, no_domain]) {
        psql(&superuser, mistake);
        match database.has_current_schema().await {
            Err(Error::Invalid(said)) => {
                assert!(said.starts_with("row-level security does not work: "), "{said}");
                assert!(said.contains(reason), "{mistake}: {said}");
            }
            other => panic!("{mistake}: {other:?}"),
        }
        psql(&superuser, mend);
        run_file(&superuser, FILE, &[]);
        assert!(database.has_current_schema().await.unwrap(), "{mend}");
    }
}

/// Servers of this release go on while the migrations of the next one were run, and the files not yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_the_next_release_does_not_stop_servers_of_this_one() {
    let (cluster, superuser) = secured();
    let database = secured_database(&cluster);
    psql(&superuser, "CREATE TABLE labels (tenant_id bigint, label text)");
    assert!(database.has_current_schema().await.unwrap());
    psql(&superuser, "GRANT SELECT ON labels TO caseload_service");
    assert!(database.has_current_schema().await.unwrap());
    run_file(&superuser, FILE, &[]);
    assert!(database.has_current_schema().await.unwrap());
    let rows = "\
        INSERT INTO labels VALUES (1, 'one'), (2, 'two'); \
        SET ROLE caseload_tenant; SET caseload.tenants = '{2}'; \
        SELECT string_agg(label, ' ') FROM labels";
    assert_eq!(psql(&superuser, rows), "two");
}

/// Starts a server as a process, which connects as its role.
fn start_service(cluster: &Cluster, args: &[&str]) -> Program {
    let args = [&["--grpc-addr", "127.0.0.1:0"], args].concat();
    start_server_process(url_as(cluster, SERVICE).expose(), &args)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_the_option_warns_where_the_database_is_set_up_for_it() {
    let (cluster, _) = secured();
    let server = start_service(&cluster, &[]);
    let event = server.wait_for_log(
        "row-level security is set up in the database, but not used: start the server with \
         --row-level-security",
    );
    assert_eq!(event["level"], "WARN");
    server.wait_for_log("serving");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_the_role_is_not_ready_until_there_is_one() {
    let cluster = cluster();
    set_up(&cluster);
    let server = start_service(&cluster, &[OPTION]);
    let addr = server.wait_for_address("serving gRPC");
    let reason = "row-level security does not work: there is no role caseload_tenant: \
        run deploy/row_level_security.sql";
    let event = server.wait_for_log("not serving: the database can't be used");
    assert_eq!((&event["level"], &event["reason"]), (&"ERROR".into(), &reason.into()));
    assert_eq!(grpc_health(addr).await.unwrap(), [ServingStatus::NotServing; 2]);

    run_file(&cluster.url("caseload").parse().unwrap(), FILE, &[]);
    server.wait_for_log("serving");
    eventually("health", async || {
        grpc_health(addr).await.filter(|statuses| *statuses == [ServingStatus::Serving; 2])
    })
    .await;
}
