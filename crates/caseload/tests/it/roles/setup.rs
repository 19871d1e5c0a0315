//! Setting the roles up: on a new database, and on one that is in use.

use localdb::Cluster;
use serde_json::Value;

use super::{
    fixture::{ADMIN, OWNER, cluster, run_as, run_file, set_up, set_up_as_owner, url_as},
    grants, service,
};
use crate::{
    documentation::PageCommands,
    support::{TestDatabase, psql},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_pages_install_a_database_and_set_a_tenant_up() {
    let cluster = cluster();
    let superuser = cluster.url("postgres");
    // postgresql://USER@localhost:PORT/postgres?host=DIRECTORY
    let [user, port, directory] = ["//", "localhost:", "?host="].map(|before| {
        let (_, rest) = superuser.split_once(before).unwrap();
        rest.split(['@', '/']).next().unwrap().replace("%2F", "/")
    });
    PageCommands::of("docs/OPERATIONS.md", "database roles")
        .env("PGUSER", &user)
        .env("PGPORT", &port)
        .env("PGHOST", &directory)
        .run();

    let mut commands = PageCommands::of("README.md", "installation").replace(
        "postgresql://postgres@db.example/caseload",
        &format!("'{}'", cluster.url("caseload")),
    );
    for role in [OWNER, ADMIN] {
        let url = format!("'{}'", url_as(&cluster, role).expose());
        commands = commands.replace(&format!("postgresql://{role}:…@db.example/caseload"), &url);
    }
    let printed = commands.run();
    assert_eq!(printed.matches("cl_").count(), 2, "{printed}");
    let database = cluster.url("caseload").parse().unwrap();
    grants::assert_as_documented(&database);
    assert_eq!(psql(&database, "SELECT name FROM tenants"), "Acme");
    assert_eq!(psql(&database, "SELECT email FROM users"), "ada@acme.example");
    assert_eq!(psql(&database, "SELECT name FROM cases"), "Suspicious sign-ins");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_that_was_made_by_a_superuser_can_be_given_to_the_roles() {
    let cluster = cluster();
    let database = TestDatabase::create_on(&cluster).await;
    let tables = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(database.query(tables), "caseload");

    run_file(database.url(), "roles.sql", &[]);

    assert_eq!(database.query(tables), OWNER);
    let function = "SELECT proowner::regrole FROM pg_proc WHERE proname = 'notify_api_key_change'";
    assert_eq!(database.query(function), OWNER);
    let language =
        "SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'caseload_service'::regrole";
    assert_eq!(database.query(language), "{lc_messages=C}");
    assert_eq!(run_as(&cluster, OWNER, &["migrate", "--check"]).code(), Some(0));
    assert_eq!(run_as(&cluster, OWNER, &["migrate"]).code(), Some(0));
    service::assert_works(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_create_roles_and_owns_the_database_needs_not_be_a_superuser() {
    let cluster = cluster();
    let (superuser, _) = set_up_as_owner(&cluster);

    grants::assert_as_documented(&superuser);
    service::assert_works(&cluster).await;
}

#[test]
fn every_admin_command_works_as_the_admin_role() {
    let cluster = cluster();
    set_up(&cluster);
    assert_admin_works(
        &cluster,
        "tasks, task_assignees, task_events, creation_events, idempotency_keys, audit_outbox, __diesel_schema_migrations",
    );
}

/// Checks that all commands work, each as its role, except that `admin verify` as the admin's role reports that it
/// may not read these tables.
pub(super) fn assert_admin_works(cluster: &Cluster, unreadable: &str) {
    let json = |args: &[&str]| -> Value {
        let exited = run_as(cluster, ADMIN, &[&["admin", "--json"], args].concat());
        assert_eq!(exited.code(), Some(0), "{args:?}: {exited:?}");
        serde_json::from_str(&exited.stdout).unwrap()
    };
    let tenant = ["--tenant", "Acme"];
    json(&["tenant", "create", "Acme"]);
    json(&["tenant", "list"]);
    json(&[&["tenant", "host", "add"], &tenant[..], &["a.example", "b.example"]].concat());
    json(&[&["tenant", "host", "exclusive"], &tenant[..], &["on"]].concat());
    json(&[&["tenant", "host", "remove"], &tenant[..], &["a.example"]].concat());
    json(&["tenant", "host", "list"]);
    json(&[&["user", "create"], &tenant[..], &["a@example.com"]].concat());
    json(&[&["user", "list"], &tenant[..]].concat());
    json(&[&["case", "create"], &tenant[..], &["A case"]].concat());
    json(&[&["case", "list"], &tenant[..]].concat());
    let key = [&["key", "create"], &tenant[..], &["ci", "--scope", "tasks:write"]].concat();
    let id = json(&key)["id"].to_string();
    json(&[&["key", "list"], &tenant[..]].concat());
    json(&[&["key", "allow"], &tenant[..], &[&id, "10.0.0.0/8"]].concat());
    json(&[&["key", "rotate"], &tenant[..], &[&id, "--expires-in", "1h"]].concat());
    let revoked = json(&[&["key", "revoke"], &tenant[..], &[&id]].concat());
    assert_eq!(revoked["valid"], false);
    json(&["audit", "list"]);
    let verified = json(&["audit", "verify"]);
    assert_eq!(verified[0]["intact"], true);
    let refused = run_as(cluster, ADMIN, &["admin", "verify"]);
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    let reason =
        format!("error: the role may not read {unreadable}: verify as the owner of the tables\n");
    assert_eq!(refused.stderr, reason);
    let verified = run_as(cluster, OWNER, &["admin", "verify"]);
    assert_eq!(verified.code(), Some(0), "{verified:?}");
    let superuser = cluster.url("caseload").parse().unwrap();
    psql(&superuser, "UPDATE audit_entries SET created_at = created_at - interval '9 days'");
    let prune = ["admin", "audit", "prune", "--older-than", "1d"];
    let refused = run_as(cluster, ADMIN, &prune);
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    let pruned = run_as(cluster, OWNER, &prune);
    assert_eq!(pruned.code(), Some(0), "{pruned:?}");
    for _ in 0..2 {
        let demo = run_as(cluster, ADMIN, &["admin", "demo"]);
        assert_eq!(demo.code(), Some(0), "{demo:?}");
    }
}
