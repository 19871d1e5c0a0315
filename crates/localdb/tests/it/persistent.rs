//! Clusters whose data stay.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use localdb::{Cluster, Error};
use rustix::process::geteuid;

use crate::{eventually, has_ended, kill, owner::Owner, ps, sql, try_sql};

/// A directory that anyone may pass through, as /var/lib is.
fn place() -> tempfile::TempDir {
    let mode = fs::Permissions::from_mode(0o755);
    tempfile::Builder::new().prefix("localdb-test-").permissions(mode).tempdir().unwrap()
}

#[test]
fn data_survive_a_restart() {
    let place = place();
    let path = place.path().join("var/caseload");
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
fn data_survive_the_killing_of_the_owner() {
    let place = place();
    let mut owner = Owner::of_persistent(place.path());
    let owned = owner.ready();
    try_sql(&owned.bin_dir, &owned.url, "CREATE TABLE cases AS SELECT 7 AS id").unwrap();
    owner.kill();
    // At once: its Postgres may still be there.
    let cluster = Cluster::persistent(place.path()).start().unwrap();
    assert_eq!(sql(&cluster, "SELECT id FROM cases"), "7");
    assert!(has_ended(owned.postmaster));
    eventually("the old socket is gone", || !owned.sockets().exists());
}

#[test]
fn postgres_without_owner_and_guardian_is_stopped() {
    let place = place();
    let mut owner = Owner::of_persistent(place.path());
    let owned = owner.ready();
    try_sql(&owned.bin_dir, &owned.url, "CREATE TABLE cases AS SELECT 7 AS id").unwrap();
    kill(guardian_of(owner.child.id()));
    owner.kill();
    assert!(!has_ended(owned.postmaster));

    let cluster = Cluster::persistent(place.path()).start().unwrap();
    assert!(has_ended(owned.postmaster));
    assert_eq!(sql(&cluster, "SELECT id FROM cases"), "7");
    fs::remove_dir_all(owned.sockets()).unwrap_or_default();
}

fn guardian_of(owner: u32) -> u32 {
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid=,args="]).output().unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    let parent = owner.to_string();
    let found = list.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let pid = fields.next()?;
        let is_it = fields.next() == Some(&parent) && line.contains("/bin/sh");
        is_it.then(|| pid.parse().unwrap())
    });
    found.unwrap()
}

#[test]
fn second_owner_is_refused() {
    let place = place();
    let mut owner = Owner::of_persistent(place.path());
    owner.ready();
    let error = Cluster::persistent(place.path()).start().unwrap_err();
    let pid = owner.child.id().to_string();
    assert!(matches!(&error, Error::InUse { owner, .. } if *owner == pid), "{error}");
    owner.exit();
    Cluster::persistent(place.path()).start().unwrap();
}

#[test]
fn interrupted_initdb_does_no_harm() {
    let place = place();
    let owner = Owner::of_persistent(place.path());
    let unfinished = || {
        let files = fs::read_dir(place.path()).unwrap().flatten().map(|file| file.path());
        files.into_iter().find(|path| path.join("PG_VERSION").exists())
    };
    eventually("initdb is at work", || unfinished().is_some());
    owner.kill();
    assert!(!place.path().join("pgdata").exists());

    let cluster = Cluster::persistent(place.path()).start().unwrap();
    assert_eq!(sql(&cluster, "SELECT 1"), "1");
}

#[test]
fn data_of_another_version_are_refused() {
    let place = place();
    fs::create_dir(place.path().join("pgdata")).unwrap();
    fs::write(place.path().join("pgdata/PG_VERSION"), "99\n").unwrap();
    let error = Cluster::persistent(place.path()).start().unwrap_err();
    assert!(matches!(error, Error::OtherMajor { needed: 99, .. }), "{error}");
}

/// As root, whose Postgres is another user: `caseload dev --data-dir "$(mktemp -d)/data"`.
#[test]
fn root_may_keep_its_data_where_only_root_can_go() {
    if !geteuid().is_root() {
        return;
    }
    let closed = fs::Permissions::from_mode(0o700);
    let mine = tempfile::Builder::new().permissions(closed).tempdir().unwrap();
    let path = mine.path().join("data");

    let mut cluster = Cluster::persistent(&path).start().unwrap();
    assert_ne!(fs::metadata(cluster.data_dir()).unwrap().uid(), 0);
    sql(&cluster, "CREATE TABLE cases AS SELECT 7 AS id");
    cluster.create_database("copy", Some("postgres")).unwrap();

    // One of its processes crashes, and it starts them all anew.
    let checkpointer = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
    let crashed = sql(&cluster, checkpointer);
    kill(crashed.parse().unwrap());
    eventually("the checkpointer is another", || {
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
