//! Persistent clusters, whose data stay.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use localdb::{Cluster, Error};
use rustix::process::geteuid;

use crate::{eventually, has_ended, kill, owner::Owner, ps, sql, try_sql};

/// Returns a directory that any user can enter, like /var/lib.
fn parent() -> tempfile::TempDir {
    let mode = fs::Permissions::from_mode(0o755);
    tempfile::Builder::new().prefix("localdb-test-").permissions(mode).tempdir().unwrap()
}

#[test]
fn data_survive_a_restart() {
    let parent = parent();
    let path = parent.path().join("var/caseload");
    let cluster = Cluster::persistent(&path).start().unwrap();
    sql(&cluster, "CREATE TABLE cases AS SELECT 7 AS id");
    assert_eq!(sql(&cluster, "SHOW fsync"), "on");
    let data_dir = cluster.data_dir().to_path_buf();
    let sockets = sql(&cluster, "SHOW unix_socket_directories");
    assert_eq!(fs::metadata(&data_dir).unwrap().permissions().mode() & 0o777, 0o700);
    drop(cluster);
    assert!(!Path::new(&sockets).exists() && data_dir.exists());

    let cluster = Cluster::persistent(&path).start().unwrap();
    assert_eq!(sql(&cluster, "SELECT id FROM cases"), "7");
}

#[test]
fn data_survive_a_killed_owner() {
    let parent = parent();
    let mut owner = Owner::of_persistent(parent.path());
    let owned = owner.ready();
    try_sql(&owned.bin_dir, &owned.url, "CREATE TABLE cases AS SELECT 7 AS id").unwrap();
    owner.kill();
    // Its Postgres may still be running.
    let cluster = Cluster::persistent(parent.path()).start().unwrap();
    assert_eq!(sql(&cluster, "SELECT id FROM cases"), "7");
    assert!(has_ended(owned.postmaster));
    eventually("the old socket is removed", || !owned.sockets().exists());
}

#[test]
fn a_postgres_without_owner_and_guardian_is_stopped() {
    let parent = parent();
    let mut owner = Owner::of_persistent(parent.path());
    let owned = owner.ready();
    try_sql(&owned.bin_dir, &owned.url, "CREATE TABLE cases AS SELECT 7 AS id").unwrap();
    kill(guardian_of(owner.child.id()));
    owner.kill();
    assert!(!has_ended(owned.postmaster));

    let cluster = Cluster::persistent(parent.path()).start().unwrap();
    assert!(has_ended(owned.postmaster));
    assert_eq!(sql(&cluster, "SELECT id FROM cases"), "7");
    fs::remove_dir_all(owned.sockets()).unwrap_or_default();
}

fn guardian_of(owner: u32) -> u32 {
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid=,args="]).output().unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    let owner = owner.to_string();
    let found = list.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let pid = fields.next()?;
        let is_it = fields.next() == Some(&owner) && line.contains("/bin/sh");
        is_it.then(|| pid.parse().unwrap())
    });
    found.unwrap()
}

#[test]
fn a_second_owner_is_refused() {
    let parent = parent();
    let mut owner = Owner::of_persistent(parent.path());
    owner.ready();
    let error = Cluster::persistent(parent.path()).start().unwrap_err();
    let pid = owner.child.id().to_string();
    assert!(matches!(&error, Error::InUse { owner, .. } if *owner == pid), "{error}");
    owner.exit();
    Cluster::persistent(parent.path()).start().unwrap();
}

#[test]
fn an_interrupted_initdb_does_no_harm() {
    let parent = parent();
    let owner = Owner::of_persistent(parent.path());
    let unfinished = || {
        let files = fs::read_dir(parent.path()).unwrap().flatten().map(|file| file.path());
        files.into_iter().find(|path| path.join("PG_VERSION").exists())
    };
    eventually("initdb is running", || unfinished().is_some());
    owner.kill();
    assert!(!parent.path().join("pgdata").exists());

    let cluster = Cluster::persistent(parent.path()).start().unwrap();
    assert_eq!(sql(&cluster, "SELECT 1"), "1");
}

#[test]
fn data_of_another_version_are_refused() {
    let parent = parent();
    fs::create_dir(parent.path().join("pgdata")).unwrap();
    fs::write(parent.path().join("pgdata/PG_VERSION"), "99\n").unwrap();
    let error = Cluster::persistent(parent.path()).start().unwrap_err();
    assert!(matches!(error, Error::OtherMajor { needed: 99, .. }), "{error}");
}

/// As root, whose Postgres runs as another user: `caseload dev --data-dir "$(mktemp -d)/data"`.
#[test]
fn root_can_keep_data_where_only_root_has_access() {
    if !geteuid().is_root() {
        return;
    }
    let closed = fs::Permissions::from_mode(0o700);
    let private = tempfile::Builder::new().permissions(closed).tempdir().unwrap();
    let path = private.path().join("data");

    let mut cluster = Cluster::persistent(&path).start().unwrap();
    assert_ne!(fs::metadata(cluster.data_dir()).unwrap().uid(), 0);
    sql(&cluster, "CREATE TABLE cases AS SELECT 7 AS id");
    cluster.create_database("copy", Some("postgres")).unwrap();

    // One of its processes crashes, and Postgres restarts all of them.
    let checkpointer = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
    let crashed = sql(&cluster, checkpointer);
    kill(crashed.parse().unwrap());
    eventually("the checkpointer is a new process", || {
        let now = try_sql(cluster.bin_dir(), &cluster.url("postgres"), checkpointer);
        now.is_ok_and(|pid| !pid.is_empty() && pid != crashed)
    });
    assert_eq!(sql(&cluster, "SELECT id FROM cases"), "7");

    cluster.kill().unwrap();
    cluster.start().unwrap();
    assert_eq!(sql(&cluster, "SELECT id FROM cases"), "7");
    cluster.stop().unwrap();
    drop(cluster);

    let mut owner = Owner::of_persistent(&path);
    let owned = owner.ready();
    assert!(ps(owned.postmaster, "args=").contains("/proc/self/fd/9"));
    kill(guardian_of(owner.child.id()));
    owner.kill();
    let cluster = Cluster::persistent(&path).start().unwrap();
    assert!(has_ended(owned.postmaster));
    assert_eq!(sql(&cluster, "SELECT id FROM cases"), "7");
    fs::remove_dir_all(owned.sockets()).unwrap_or_default();
}
