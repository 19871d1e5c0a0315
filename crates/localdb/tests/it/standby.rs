//! Standbys: replication and promotion.

use localdb::{Cluster, Error};

use crate::{eventually, sql, try_sql};

#[test]
fn a_standby_replicates_its_primary_and_can_be_promoted() {
    let mut primary = Cluster::temporary().setting("max_connections", "20").start().unwrap();
    sql(&primary, "CREATE TABLE cases AS SELECT 7 AS id");
    let standby = Cluster::standby_of(&primary).start().unwrap();
    assert_eq!(sql(&standby, "SELECT id FROM cases"), "7");
    assert_eq!(sql(&standby, "SHOW max_connections"), "20");
    sql(&primary, "INSERT INTO cases VALUES (8)");
    eventually("the standby has the new row", || sql(&standby, "SELECT max(id) FROM cases") == "8");

    let write = "INSERT INTO cases VALUES (9)";
    let bin_dir = standby.bin_dir();
    let error = try_sql(bin_dir, &standby.url("postgres"), write).unwrap_err();
    assert!(error.contains("read-only transaction"), "{error}");
    let url = standby.read_write_url(&primary, "postgres");
    assert_eq!(try_sql(bin_dir, &url, "SELECT pg_is_in_recovery()").as_deref(), Ok("f"));

    primary.kill().unwrap();
    assert!(try_sql(bin_dir, &url, write).is_err());
    standby.promote().unwrap();
    try_sql(bin_dir, &url, write).unwrap();
    assert_eq!(sql(&standby, "SELECT max(id) FROM cases"), "9");
    assert!(matches!(standby.promote(), Err(Error::Psql { .. })));
}

#[test]
fn a_standby_of_a_stopped_primary_fails_with_the_reason() {
    let mut primary = Cluster::temporary().start().unwrap();
    primary.stop().unwrap();
    let error = Cluster::standby_of(&primary).start().unwrap_err();
    assert!(matches!(error, Error::Failed { program: "pg_basebackup", .. }), "{error}");
}
