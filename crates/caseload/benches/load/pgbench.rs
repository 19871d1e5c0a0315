//! Runs pgbench, which sends prepared statements directly to Postgres.

use std::{fs, path::Path, process::Command, time::Duration};

use super::tally::Tally;

/// Where pgbench is, and what it runs against.
pub(crate) struct Target<'a> {
    pub(crate) bin_dir: &'a Path,
    pub(crate) database_url: &'a str,
    /// Where it writes its files.
    pub(crate) directory: &'a Path,
}

/// Runs a script with `clients` connections, each of which waits for a result before it sends the
/// next statement.
pub(crate) fn run(target: &Target<'_>, script: &str, clients: usize, duration: Duration) -> Tally {
    let directory = tempfile::tempdir_in(target.directory).unwrap();
    let script_path = directory.path().join("script.sql");
    fs::write(&script_path, script).unwrap();
    let seconds = duration.as_secs_f64().ceil();
    let output = Command::new(target.bin_dir.join("pgbench"))
        .args(["--no-vacuum", "--protocol=prepared", "--log", "--log-prefix=log"])
        .args(["--client", &clients.to_string(), "--jobs", &clients.min(2).to_string()])
        .args(["--time", &seconds.to_string(), "--file"])
        .arg(&script_path)
        .arg(target.database_url)
        .current_dir(directory.path())
        // The settings of Caseload's own sessions.
        .env("PGOPTIONS", "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));

    let mut tally = Tally::new();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path == script_path {
            continue;
        }
        // client, transaction, microseconds, …
        for line in fs::read_to_string(path).unwrap().lines() {
            let micros = line.split(' ').nth(2).unwrap().parse().unwrap();
            tally.latencies.record(micros).unwrap();
        }
    }
    tally.created = tally.measured();
    let rate: f64 = text
        .lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
        .expect("pgbench prints its rate");
    tally.elapsed = Duration::from_secs_f64(tally.created as f64 / rate);
    tally
}

/// pgbench would take the comments for a part of the statement, parameters included.
pub(crate) fn without_comments(sql: &str) -> String {
    sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n")
}
