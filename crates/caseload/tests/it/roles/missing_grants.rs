//! A release is deployed, and `deploy/roles.sql` was forgotten.

use store::Error;
use tonic_health::pb::health_check_response::ServingStatus;

use super::fixture::{SERVICE, cluster, run_file, set_up, url_as};
use crate::{
    outages::probes::grpc_health,
    support::{open, polling::eventually, psql, start_server_process},
};

/// Otherwise a rolling update replaces every server that works with one that fails every call.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_may_not_read_the_hosts_of_tenants_is_not_ready_until_it_may() {
    not_ready_without("SELECT", "tenant_hosts", "permission denied for table tenant_hosts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_may_not_write_events_of_creations_is_not_ready_until_it_may() {
    let reason = "the server's role may not insert rows into creation_events: run deploy/roles.sql";
    not_ready_without("INSERT", "creation_events", reason).await;
}

/// Starts a server whose role lacks a privilege on a table, until roles.sql is run.
async fn not_ready_without(privilege: &str, table: &str, reason: &str) {
    let cluster = cluster();
    set_up(&cluster);
    let superuser = cluster.url("caseload").parse().unwrap();
    psql(&superuser, &format!("REVOKE {privilege} ON {table} FROM {SERVICE}"));

    let url = url_as(&cluster, SERVICE);
    let server = start_server_process(url.expose(), &["--grpc-addr", "127.0.0.1:0"]);
    let addr = server.wait_for_address("serving gRPC");
    let line = server.wait_for_log("not serving: the database can't be used");
    let logged = line["reason"].as_str().unwrap();
    assert!(logged.ends_with(reason), "{logged}");
    assert_eq!(grpc_health(addr).await, Some([ServingStatus::NotServing; 2]));
    assert!(!server.stderr().contains(r#""message":"serving""#), "{}", server.stderr());

    run_file(&superuser, "roles.sql", &[]);
    server.wait_for_log("serving");
    let is_serving =
        async || (grpc_health(addr).await == Some([ServingStatus::Serving; 2])).then_some(());
    eventually("health", is_serving).await;
}

/// The service may insert rows into these tables because its calls do.
#[tokio::test(flavor = "multi_thread")]
async fn each_table_that_calls_write_to_is_checked() {
    let cluster = cluster();
    set_up(&cluster);
    let superuser = cluster.url("caseload").parse().unwrap();
    let database = open(&url_as(&cluster, SERVICE));
    database.check_privileges().await.unwrap();
    let tables = psql(
        &superuser,
        &format!(
            "SELECT table_name FROM information_schema.table_privileges
             WHERE grantee = '{SERVICE}' AND privilege_type = 'INSERT'"
        ),
    );
    for table in tables.lines() {
        psql(&superuser, &format!("REVOKE INSERT ON {table} FROM {SERVICE}"));
        let lacks = database.check_privileges().await;
        assert!(matches!(&lacks, Err(Error::Invalid(it)) if it.contains(table)), "{lacks:?}");
        psql(&superuser, &format!("GRANT INSERT ON {table} TO {SERVICE}"));
    }
    assert!(tables.contains("creation_events"), "{tables}");
}
