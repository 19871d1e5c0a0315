//! Injected faults: stopped, killed, crashed and paused clusters.

use localdb::{Cluster, Error};

use crate::{eventually, has_ended, sql, try_sql};

#[test]
fn the_url_stays_valid_after_stop_and_start() {
    let mut cluster = Cluster::temporary().start().unwrap();
    let (bin_dir, url) = (cluster.bin_dir().to_path_buf(), cluster.url("postgres"));
    try_sql(&bin_dir, &url, "CREATE TABLE cases AS SELECT 7 AS id").unwrap();

    cluster.stop().unwrap();
    cluster.stop().unwrap();
    assert_eq!(cluster.postmaster_pid(), None);
    assert!(try_sql(&bin_dir, &url, "SELECT 1").is_err());
    assert!(matches!(cluster.has_database("x"), Err(Error::Psql { .. })));
    assert!(matches!(cluster.pause(), Err(Error::NotRunning)));

    cluster.start().unwrap();
    cluster.start().unwrap();
    assert_eq!(cluster.url("postgres"), url);
    assert_eq!(try_sql(&bin_dir, &url, "SELECT id FROM cases").as_deref(), Ok("7"));
}

#[test]
fn a_killed_cluster_recovers() {
    let mut cluster = Cluster::temporary().durable(true).start().unwrap();
    sql(&cluster, "CREATE TABLE cases AS SELECT 7 AS id");
    let postmaster = cluster.postmaster_pid().unwrap();
    cluster.kill().unwrap();
    assert!(has_ended(postmaster));
    assert!(matches!(cluster.kill(), Err(Error::NotRunning)));

    cluster.start().unwrap();
    assert_eq!(sql(&cluster, "SELECT id FROM cases"), "7");
}

#[test]
fn kill_ends_busy_sessions() {
    let mut cluster = Cluster::temporary().start().unwrap();
    let (bin_dir, url) = (cluster.bin_dir().to_path_buf(), cluster.url("postgres"));
    let busy = "SELECT sum(length(md5(n::text))) FROM generate_series(1, 1000000000000) AS n";
    let session = std::thread::spawn(move || try_sql(&bin_dir, &url, busy));
    let active = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%1000000000000%' \
                  AND state = 'active' AND pid <> pg_backend_pid()";
    eventually("the session is busy", || !sql(&cluster, active).is_empty());
    let backend = sql(&cluster, active).parse().unwrap();

    cluster.kill().unwrap();
    assert!(has_ended(backend));
    let error = session.join().unwrap().unwrap_err();
    assert!(error.contains("closed the connection unexpectedly"), "{error}");
    cluster.start().unwrap();
}

#[test]
fn a_crashed_cluster_starts_again() {
    let mut cluster = Cluster::temporary().start().unwrap();
    let crashed = cluster.postmaster_pid().unwrap();
    crate::kill(crashed);
    eventually("Postgres ended", || has_ended(crashed));
    cluster.start().unwrap();
    assert_ne!(cluster.postmaster_pid(), Some(crashed));
    assert_eq!(sql(&cluster, "SELECT 1"), "1");
}

#[test]
fn a_paused_cluster_does_not_respond() {
    let mut cluster = Cluster::temporary().start().unwrap();
    let (bin_dir, url) = (cluster.bin_dir().to_path_buf(), cluster.url("postgres"));
    cluster.pause().unwrap();
    let error = try_sql(&bin_dir, &url, "SELECT 1").unwrap_err();
    assert!(error.contains("timeout expired"), "{error}");
    cluster.resume().unwrap();
    assert_eq!(try_sql(&bin_dir, &url, "SELECT 1").as_deref(), Ok("1"));

    // A paused cluster can be stopped, and dropped.
    cluster.pause().unwrap();
    cluster.stop().unwrap();
    cluster.start().unwrap();
    cluster.pause().unwrap();
}
