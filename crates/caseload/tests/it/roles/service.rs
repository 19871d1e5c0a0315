//! The service, connected as its role.

use std::time::{Duration, SystemTime};

use domain::Scope;
use localdb::Cluster;
use proto::tasks::v1::BatchCreateTasksRequest;
use reqwest::Method;
use serde_json::{Value, json};
use store::{Database, KeyUse};

use super::fixture::{SERVICE, cluster, set_up, url_as};
use crate::support::{
    API_CALLS, App, CreateCall, ONE_ASSIGNED_TASK, Reply, TestDatabase, code_and_reasons, new_key,
    new_task, open, psql,
};

/// A service that connects as its role, and does everything that a service does.
struct Service {
    app: App,
    /// A connection as the service's role.
    database: Database,
}

impl Service {
    /// Starts a service on the database `caseload`, which is migrated and has roles.
    async fn start(cluster: &Cluster) -> Self {
        Self::start_with(cluster, &[]).await
    }

    /// Starts the same, with options of the server.
    async fn start_with(cluster: &Cluster, more_args: &[&'static str]) -> Self {
        let database = TestDatabase::at(&cluster.url("caseload"));
        let url = url_as(cluster, SERVICE);
        // No key is cached: each call looks its key up.
        let args = ["--key-ttl", "0s", "--unknown-key-ttl", "0s"];
        let app = App::builder().server_args(&args).server_args(more_args);
        let app = app.start_as(database, &url).await;
        Self { app, database: open(&url) }
    }

    /// Does everything that a service does. Returns what failed.
    async fn failures(&self, repeat: u32) -> Vec<String> {
        let mut failures = Vec::new();
        let mut expect = |what: &str, found: String, expected: &str| {
            if found != expected {
                failures.push(format!("{what}: {found}"));
            }
        };
        let app = &self.app;
        expect("schema", format!("{:?}", self.database.has_current_schema().await), "Ok(true)");

        let valid = CreateCall::new(app).key(&app.key).task("x", &["user1@example.com"]);
        expect("REST", valid.result_over_rest(app).await, "OK");
        expect("gRPC", valid.result_over_grpc(app).await, "OK");
        let unknown = CreateCall::new(app).key(&app.key).case(i64::MAX);
        expect("case", unknown.result_over_rest(app).await, "NOT_FOUND CASE_NOT_FOUND");

        let key = format!("key-{repeat}");
        for replayed in ["", "true"] {
            let request = app.post().header("idempotency-key", &key).body(ONE_ASSIGNED_TASK);
            let reply = Reply::of(request).await;
            let found = format!("{} {}", reply.status, reply.header("idempotency-replayed"));
            expect("REST with a key", found, &format!("201 Created {replayed}"));
        }
        let repeated = BatchCreateTasksRequest {
            case_id: app.case_id,
            tasks: vec![new_task("another", &[])],
            request_id: key,
            ..Default::default()
        };
        let status = app.grpc_client().await.batch_create_tasks(app.with_key(repeated)).await;
        let found = status.map_or_else(|status| code_and_reasons(&status), |_| "OK".to_owned());
        expect("gRPC with the key", found, "INVALID_ARGUMENT REQUEST_ID_REUSED");

        let key = app.key_for_all().await;
        // There is no log yet: the service begins it.
        app.database.query(
            "BEGIN; LOCK audit_heads; DELETE FROM audit_entries; DELETE FROM audit_heads; COMMIT",
        );
        app.database.query("DELETE FROM idempotency_keys WHERE key = 'the-key'");
        app.use_idempotency_key("the-key");
        for call in API_CALLS {
            expect(call.name, call.result(app, Some(&key), &app.target()).await, "OK");
        }

        let id = app.store_key(app.tenant, &new_key(), &Scope::ALL, None).await;
        let uses = [KeyUse { tenant: app.tenant, key: id, time: SystemTime::now() }];
        expect("uses", format!("{:?}", self.database.store_key_uses(&uses).await), "Ok(())");

        // Among the calls are changes of cases.
        let moved = self.database.tenants_in_audit_outbox().await;
        expect("outbox", format!("{}", moved.is_ok()), "true");
        let moved = self.database.move_audit_outbox(app.tenant).await;
        expect("log of changes", format!("{moved:?}"), "Ok(false)");
        expect("hosts", format!("{:?}", self.database.list_tenant_hosts().await), "Ok([])");

        let swept = self.database.sweep_of_idempotency_keys(Duration::ZERO).step(10).await;
        expect("sweep", format!("{swept:?}"), "Ok(Rows(2))");
        // Changes of tasks go after creations.
        let mut creations = self.database.sweep_of_creation_events(Duration::ZERO);
        expect("sweep of creations", format!("{:?}", creations.step(1).await), "Ok(Rows(1))");
        let rest = creations.step(1000).await;
        expect("sweep of all creations", format!("{}", rest.is_ok()), "true");
        let swept = self.database.sweep_of_task_events(Duration::ZERO).step(1).await;
        expect("sweep of events", format!("{swept:?}"), "Ok(Rows(1))");
        failures
    }
}

/// Checks that a service that connects as its role can do everything that a service does.
pub(super) async fn assert_works(cluster: &Cluster) {
    assert_works_with(cluster, &[]).await;
}

/// Checks the same of a service with options.
pub(super) async fn assert_works_with(cluster: &Cluster, args: &[&'static str]) {
    let service = Service::start_with(cluster, args).await;
    assert_eq!(service.failures(0).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_works_with_its_privileges_and_needs_each_of_them() {
    let cluster = cluster();
    set_up(&cluster);
    let service = Service::start(&cluster).await;
    assert_eq!(service.failures(0).await, Vec::<String>::new());

    let superuser = cluster.url("caseload").parse().unwrap();
    let grants = psql(
        &superuser,
        "SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.relname, \
             a.privilege_type \
         FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS a \
         WHERE a.grantee = 'caseload_service'::regrole",
    );
    assert!(grants.lines().count() >= 9, "{grants}");
    for (repeat, grant) in (1..).zip(grants.lines()) {
        let (object, privilege) = grant.split_once('|').unwrap();
        if object.starts_with("TABLE") && privilege == "INSERT" {
            // Without it the server is not ready, so that no call shows whether it is needed: see missing_grants.rs.
            continue;
        }
        psql(&superuser, &format!("REVOKE {privilege} ON {object} FROM {SERVICE}"));
        let failures = service.failures(repeat).await;
        assert!(!failures.is_empty(), "the service does not need {grant}");
        psql(&superuser, &format!("GRANT {privilege} ON {object} TO {SERVICE}"));
        // Nothing is left for the sweep of the next round to find.
        psql(
            &superuser,
            "DELETE FROM idempotency_keys; DELETE FROM task_events; DELETE FROM creation_events",
        );
    }
    assert_eq!(service.failures(0).await, Vec::<String>::new());
}

/// What a server of the last release, which knows no history, writes: the parts of its statements that
/// change a task `:id`.
const OF_THE_LAST_RELEASE: [(&str, &str); 3] = [
    (
        "create",
        "INSERT INTO tasks (tenant_id, id, case_id, description) VALUES (:tenant, :id, :case, 'a');
         INSERT INTO task_assignees (tenant_id, task_id, user_id, position)
         SELECT :tenant, :id, id, 0 FROM users
         WHERE tenant_id = :tenant AND email = 'user1@example.com'",
    ),
    (
        "update",
        "UPDATE tasks AS t SET description = 'b', completed = true,
             updated_at = greatest(now(), t.updated_at + interval '1 microsecond')
         WHERE t.tenant_id = :tenant AND t.id = :id",
    ),
    (
        "delete",
        "DELETE FROM task_assignees WHERE tenant_id = :tenant AND task_id = :id;
         DELETE FROM tasks WHERE tenant_id = :tenant AND id = :id",
    ),
];

/// Servers of both releases run side by side while a release is deployed.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_last_release_goes_on_writing_and_its_changes_have_no_events() {
    let cluster = cluster();
    set_up(&cluster);
    let service = Service::start(&cluster).await;
    let (app, key) = (&service.app, service.app.key_for_all().await);
    let url = url_as(&cluster, SERVICE);
    let old = |id: i64, what: &str| {
        let (_, sql) = OF_THE_LAST_RELEASE.iter().find(|(name, _)| *name == what).unwrap();
        let values = [(":tenant", app.tenant.get()), (":id", id), (":case", app.case_id)];
        let sql = values
            .iter()
            .fold((*sql).to_owned(), |sql, (name, value)| sql.replace(name, &value.to_string()));
        psql(&url, &sql);
    };
    let new = async |id: i64, method: Method, path: &str, body: Value| {
        let path = format!("/api/v2/cases/{}/tasks/{id}{path}", app.case_id);
        Reply::of(app.request(method, &path).bearer_auth(key.expose()).json(&body)).await
    };
    let kinds = async |id: i64| {
        let reply = new(id, Method::GET, "/events", Value::Null).await;
        let Some(events) = reply.body["task_events"].as_array() else {
            return reply.violations().join(" ");
        };
        let kinds = events.iter().map(|event| event["kind"].as_str().unwrap());
        kinds.collect::<Vec<_>>().join(" ")
    };
    // Created by the last release, then changed by this one and by the last one, and deleted by either.
    for (id, deletes, expected) in
        [(101, "new", "reopened unassigned deleted"), (102, "old", "TASK_NOT_FOUND -")]
    {
        old(id, "create");
        assert_eq!(kinds(id).await, "");
        old(id, "update");
        assert_eq!(kinds(id).await, "");
        let change = json!({"completed": false, "assignee_emails": []});
        assert_eq!(new(id, Method::PUT, "", change).await.status, 200);
        old(id, "update");
        assert_eq!(kinds(id).await, "reopened unassigned");
        match deletes {
            "old" => old(id, "delete"),
            _ => assert_eq!(new(id, Method::DELETE, "", Value::Null).await.status, 200),
        }
        assert_eq!(kinds(id).await, expected);
    }
}
