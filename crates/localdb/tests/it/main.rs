//! Tests with a real Postgres: how clusters start and end, and the faults that can be injected.

#![expect(clippy::unwrap_used, reason = "a test stops at the first error")]

mod faults;
mod owner;
mod persistent;
mod standby;
mod temporary;

use std::{
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use localdb::Cluster;

/// The timeout of [`eventually`]: long enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(40);

/// Runs `sql` with psql. Returns its output, or its error message.
fn try_sql(bin_dir: &Path, url: &str, sql: &str) -> Result<String, String> {
    let output = Command::new(bin_dir.join("psql"))
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql])
        .env("PGCONNECT_TIMEOUT", "2")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// Runs `sql` in the database `postgres`. Returns its output.
fn sql(cluster: &Cluster, sql: &str) -> String {
    try_sql(cluster.bin_dir(), &cluster.url("postgres"), sql).unwrap()
}

/// Polls until `done`; fails the test on timeout.
#[track_caller]
fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < deadline, "timed out waiting until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the columns `format` of a process as `ps` prints them; empty if it has ended.
fn ps(pid: u32, format: &str) -> String {
    let output = Command::new("ps").args(["-p", &pid.to_string(), "-o", format]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Whether a process has ended, reaped or not.
fn has_ended(pid: u32) -> bool {
    let state = ps(pid, "stat=");
    state.is_empty() || state.starts_with('Z')
}

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}
