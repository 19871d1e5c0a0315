//! Tests of connections that fail before they are used.

use diesel::{
    RunQueryDsl as _, connection::SimpleConnection as _, dsl::sql, select, sql_types::BigInt,
};
use localdb::Cluster;

use super::*;

const SETTINGS: PoolSettings = PoolSettings {
    writers: 0,
    readers: 1,
    changers: 0,
    tenant_queue_length: 1,
    checkout_timeout: Duration::from_secs(10),
    lock_timeout: Duration::from_secs(1),
};

/// Returns a number that Postgres returns.
fn number(connection: &mut PgConnection, expression: &str) -> i64 {
    select(sql::<BigInt>(expression)).get_result(connection).unwrap()
}

/// A writer that gets no connection has sent nothing, so no batch is in doubt.
#[test]
fn a_connection_that_fails_before_it_is_used_leaves_nothing_in_doubt() {
    let cluster = Cluster::temporary().setting("shared_buffers", "4MB").start().unwrap();
    let url = cluster.url("postgres").parse().unwrap();
    let pool = Pool::open(&url, &SETTINGS, &Sharing::default(), Arc::default());
    let mut administrator = pool.connection().unwrap();
    administrator.batch_execute("CREATE ROLE caseload_tenant").unwrap();
    let restricted = || {
        let mut connection = pool.connection().unwrap();
        connection.enter(&Access::OfStatements).unwrap();
        connection
    };

    let mut foreign = restricted();
    foreign.batch_execute("DEALLOCATE ALL").unwrap();
    let mut lost = restricted();
    let process = number(&mut lost, "pg_backend_pid()::bigint");
    // Not as in a shutdown, of which it is known that nothing is in doubt.
    lost.batch_execute("SET idle_session_timeout = '1ms'").unwrap();
    let open = format!("(SELECT count(*) FROM pg_stat_activity WHERE pid = {process})");
    while number(&mut administrator, &open) > 0 {}

    for connection in [foreign, lost] {
        let error = unrestricted(connection).err();
        assert!(matches!(error, Some(Error::Unavailable(_))), "{error:?}");
    }
}
