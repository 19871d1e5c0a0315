//! The passwords of the roles, as docker-compose.yml sets them.

use std::{fs, process::Command};

use localdb::Cluster;

use super::fixture::{ADMIN, OWNER, SERVICE, run_file, url_as};
use crate::support::{polling::wait_until, postgres_program, psql};

/// Whether a role can log in with a password.
fn logs_in(cluster: &Cluster, role: &str, password: &str) -> bool {
    let mut command: Command = postgres_program("psql");
    command.args([url_as(cluster, role).expose(), "-XAtqc", "SELECT 1"]);
    command.env("PGPASSWORD", password).output().unwrap().status.success()
}

#[test]
fn passwords_are_set_from_files_and_never_logged() {
    let cluster = Cluster::temporary()
        .setting("shared_buffers", "4MB")
        .setting("log_statement", "all")
        .setting("log_min_duration_statement", "0")
        .setting("log_duration", "on")
        .start()
        .unwrap();
    cluster.create_database("caseload", None).unwrap();
    let url = cluster.url("caseload").parse().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let roles = [OWNER, SERVICE, ADMIN];
    for role in roles {
        fs::write(directory.path().join(role), format!("secret-of-{role}\n")).unwrap();
    }
    let set = || {
        let directory = directory.path().to_str().unwrap();
        run_file(&url, "passwords.sql", &[("CREDENTIALS", directory)]);
    };
    run_file(&url, "roles.sql", &[]);
    set();
    set();

    // The tests' Postgres trusts everybody, until it is told not to.
    let rules = cluster.data_dir().join("pg_hba.conf");
    let trusting = fs::read_to_string(&rules).unwrap();
    let asking = format!("local caseload {} scram-sha-256\n{trusting}", roles.join(","));
    fs::write(&rules, asking).unwrap();
    psql(&url, "SELECT pg_reload_conf()");
    wait_until("the new rules", || !logs_in(&cluster, OWNER, "wrong"));
    for role in roles {
        assert!(logs_in(&cluster, role, &format!("secret-of-{role}")), "{role}");
        assert!(!logs_in(&cluster, role, "wrong"), "{role}");
    }

    let log = fs::read_to_string(cluster.log_file()).unwrap();
    assert!(log.contains("CREATE ROLE") || log.contains("SET log_statement"), "{log}");
    assert!(!log.contains("secret-of-"), "{log}");
}
