//! Temporary clusters, which are removed when their owner ends.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use localdb::{Cluster, Error};
use rustix::process::{Pid, getpgid};

use crate::{
    eventually, has_ended,
    owner::{Owned, Owner},
    sql, try_sql,
};

#[test]
fn a_temporary_cluster_serves_and_is_removed_on_drop() {
    let cluster = Cluster::temporary().start().unwrap();
    assert_eq!(sql(&cluster, "SELECT current_user, 6 * 7"), "caseload|42");
    assert_eq!(sql(&cluster, "SHOW server_encoding"), "UTF8");
    assert_eq!(sql(&cluster, "SHOW fsync"), "off");

    let postmaster = cluster.postmaster_pid().unwrap();
    let home = cluster.data_dir().parent().unwrap().to_path_buf();
    let sockets = PathBuf::from(sql(&cluster, "SHOW unix_socket_directories"));
    assert_eq!(fs::metadata(&sockets).unwrap().permissions().mode() & 0o777, 0o700);
    drop(cluster);
    assert!(has_ended(postmaster));
    assert!(!home.exists() && !sockets.exists());
}

#[test]
fn a_cluster_listens_on_no_network_address() {
    let cluster = Cluster::temporary().setting("listen_addresses", "*").start().unwrap();
    assert_eq!(sql(&cluster, "SHOW listen_addresses"), "");
}

#[test]
fn ctrl_c_in_the_terminal_does_not_reach_postgres() {
    let cluster = Cluster::temporary().start().unwrap();
    let pid = i32::try_from(cluster.postmaster_pid().unwrap()).unwrap();
    let group = getpgid(Pid::from_raw(pid)).unwrap();
    assert_eq!(group.as_raw_nonzero().get(), pid, "it has its own process group");
}

#[test]
fn settings_are_passed_to_postgres() {
    let cluster = Cluster::temporary().durable(true).setting("work_mem", "5MB").start().unwrap();
    assert_eq!(sql(&cluster, "SHOW work_mem"), "5MB");
    for name in ["fsync", "synchronous_commit", "full_page_writes"] {
        assert_eq!(sql(&cluster, &format!("SHOW {name}")), "on", "{name}");
    }
}

#[test]
fn a_failed_start_reports_the_reason() {
    let error = Cluster::temporary().setting("no_such_parameter", "1").start().unwrap_err();
    assert!(matches!(error, Error::Failed { program: "postgres", .. }));
    assert!(error.to_string().contains("no_such_parameter"), "{error}");
}

#[test]
fn databases_are_created_from_templates() {
    let cluster = Cluster::temporary().start().unwrap();
    cluster.create_database("template_1", None).unwrap();
    let url = cluster.url("template_1");
    try_sql(cluster.bin_dir(), &url, "CREATE TABLE cases AS SELECT 7 AS id").unwrap();
    cluster.create_database("copy", Some("template_1")).unwrap();
    let copied = try_sql(cluster.bin_dir(), &cluster.url("copy"), "SELECT id FROM cases");
    assert_eq!(copied.as_deref(), Ok("7"));

    assert!(cluster.has_database("copy").unwrap());
    assert!(!cluster.has_database("other").unwrap());
    let again = cluster.create_database("copy", None).unwrap_err();
    assert!(again.to_string().contains("already exists"), "{again}");
}

#[test]
fn invalid_database_names_are_refused() {
    let cluster = Cluster::temporary().start().unwrap();
    for name in ["", "Upper", "two words", "quo\"te", "quo'te", "semi;colon"] {
        assert!(matches!(cluster.create_database(name, None), Err(Error::BadName { .. })));
        assert!(matches!(cluster.create_database("x", Some(name)), Err(Error::BadName { .. })));
        assert!(matches!(cluster.has_database(name), Err(Error::BadName { .. })));
    }
}

#[track_caller]
fn assert_removed(owned: &Owned) {
    eventually("Postgres ended", || has_ended(owned.postmaster));
    let home = owned.data_dir.parent().unwrap();
    eventually("its directories are removed", || !home.exists() && !owned.sockets().exists());
}

#[test]
fn a_killed_owner_leaves_nothing_behind() {
    let mut owner = Owner::of_temporary();
    let owned = owner.ready();
    assert_eq!(try_sql(&owned.bin_dir, &owned.url, "SELECT 1").as_deref(), Ok("1"));
    owner.kill();
    assert_removed(&owned);
}

#[test]
fn an_exit_without_destructors_leaves_nothing_behind() {
    let mut owner = Owner::of_temporary();
    let owned = owner.ready();
    owner.exit();
    assert_removed(&owned);
}
