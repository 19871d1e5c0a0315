//! Tests of the check beside somebody who locks tables, and with the privileges of an earlier release.

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};

use crate::{
    database::Database,
    error::Error,
    scope::{
        ROLE,
        tests::{SETTINGS, service_url, start},
    },
};

/// As a migration does, or a long transaction that holds one up. The check is part of each server's readiness.
#[tokio::test]
async fn a_locked_table_keeps_no_server_from_being_ready_that_was_ready_before() {
    let (cluster, database) = start().await;
    let mut other = PgConnection::establish(&cluster.url("scoped")).unwrap();
    let lock = "BEGIN; LOCK TABLE audit_heads IN ACCESS EXCLUSIVE MODE";
    other.batch_execute(lock).unwrap();
    let unready = database.has_current_schema().await;
    assert!(matches!(unready, Err(Error::Unavailable(_))), "{unready:?}");
    other.batch_execute("COMMIT").unwrap();
    assert!(database.has_current_schema().await.unwrap());

    other.batch_execute(lock).unwrap();
    assert!(database.has_current_schema().await.unwrap());
    // What has changed meanwhile is not found before the lock is released, and then it is.
    let mut administrator = PgConnection::establish(&cluster.url("scoped")).unwrap();
    administrator.batch_execute("ALTER POLICY caseload_tenants ON cases USING (true)").unwrap();
    assert!(database.has_current_schema().await.unwrap());
    other.batch_execute("COMMIT").unwrap();
    let altered = database.has_current_schema().await;
    assert!(matches!(altered, Err(Error::Invalid(_))), "{altered:?}");
}

/// What is on or off is found all the same.
#[tokio::test]
async fn a_table_without_policies_is_found_beside_a_locked_one() {
    let (cluster, database) = start().await;
    assert!(database.has_current_schema().await.unwrap());
    let mut other = PgConnection::establish(&cluster.url("scoped")).unwrap();
    other.batch_execute("ALTER TABLE cases DISABLE ROW LEVEL SECURITY").unwrap();
    other.batch_execute("BEGIN; LOCK TABLE audit_heads IN ACCESS EXCLUSIVE MODE").unwrap();
    for database in
        [database, Database::open_with_row_level_security(&service_url(&cluster), &SETTINGS)]
    {
        let unready = database.has_current_schema().await;
        assert!(matches!(unready, Err(Error::Invalid(_))), "{unready:?}");
    }
}

/// As where the privileges of a release were granted, and deploy/row_level_security.sql was not run again. Servers
/// that are ready go on: they are of the release before.
#[tokio::test]
async fn a_server_starts_only_with_all_privileges_of_the_service() {
    let (cluster, old) = start().await;
    assert!(old.has_current_schema().await.unwrap());
    let mut administrator = PgConnection::establish(&cluster.url("scoped")).unwrap();
    for (name, privilege) in [
        ("users", "UPDATE (scrubbed_up_to) ON users"),
        ("audit_outbox", "DELETE ON audit_outbox"),
        ("tasks_id_seq", "USAGE ON SEQUENCE tasks_id_seq"),
    ] {
        administrator.batch_execute(&format!("REVOKE {privilege} FROM {ROLE}")).unwrap();
        assert!(old.has_current_schema().await.unwrap());
        let new = Database::open_with_row_level_security(&service_url(&cluster), &SETTINGS);
        match new.has_current_schema().await {
            Err(Error::Invalid(reason)) => {
                let lacks = format!("lacks a privilege of caseload_service on {name}: ");
                assert!(reason.contains(&lacks), "{reason}");
            }
            other => panic!("{name}: {other:?}"),
        }
        administrator.batch_execute(&format!("GRANT {privilege} TO {ROLE}")).unwrap();
        assert!(new.has_current_schema().await.unwrap());
    }
}
