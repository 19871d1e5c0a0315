//! A Postgres with the roles, and the programs that connect as them.

use std::path::Path;

use localdb::Cluster;
use store::DatabaseUrl;

use crate::support::{CASELOAD, Exited, Program, postgres_program, psql};

pub(super) const OWNER: &str = "caseload_owner";
pub(super) const SERVICE: &str = "caseload_service";
pub(super) const ADMIN: &str = "caseload_admin";

/// Starts a Postgres without roles: roles belong to all databases of a Postgres.
pub(super) fn cluster() -> Cluster {
    let cluster = Cluster::temporary().setting("shared_buffers", "4MB");
    cluster.setting("max_connections", "80").start().unwrap()
}

/// Returns the URL of the database `caseload` for one of its roles.
pub(super) fn url_as(cluster: &Cluster, role: &str) -> DatabaseUrl {
    as_role(&cluster.url("caseload").parse().unwrap(), role)
}

/// Returns the same URL for another role.
pub(super) fn as_role(url: &DatabaseUrl, role: &str) -> DatabaseUrl {
    let (_, rest) = url.expose().split_once('@').unwrap();
    format!("postgresql://{role}@{rest}").parse().unwrap()
}

/// Creates the database `caseload` with its roles, as a role that owns it, may create roles, and is no superuser.
/// Returns the URLs for the superuser and for that role.
pub(super) fn set_up_as_owner(cluster: &Cluster) -> (DatabaseUrl, DatabaseUrl) {
    cluster.create_database("caseload", None).unwrap();
    let superuser = cluster.url("caseload").parse().unwrap();
    psql(
        &superuser,
        "CREATE ROLE dba LOGIN CREATEROLE; ALTER DATABASE caseload OWNER TO dba; \
         ALTER SCHEMA public OWNER TO dba",
    );
    let dba = url_as(cluster, "dba");
    run_file(&dba, "roles.sql", &[]);
    assert_eq!(run_as(cluster, OWNER, &["migrate"]).code(), Some(0));
    run_file(&dba, "roles.sql", &[]);
    (superuser, dba)
}

/// Runs a file of `deploy/` with psql.
pub(super) fn run_file(url: &DatabaseUrl, name: &str, variables: &[(&str, &str)]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name);
    let output = postgres_program("psql")
        .args(["--no-psqlrc", "--quiet", "--file"])
        .arg(file)
        .arg(url.expose())
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !messages.contains("WARNING"), "{name}: {messages}");
}

/// Runs the program as one of the roles.
pub(super) fn run_as(cluster: &Cluster, role: &str, args: &[&str]) -> Exited {
    let url = url_as(cluster, role);
    let variables = [("CASELOAD_DATABASE_URL", url.expose())];
    Program::start_with_env(CASELOAD, args, &variables).wait_for_exit()
}

/// Sets the database up as docs/OPERATIONS.md says, on a new Postgres.
pub(super) fn set_up(cluster: &Cluster) {
    cluster.create_database("caseload", None).unwrap();
    let url = cluster.url("caseload").parse().unwrap();
    run_file(&url, "roles.sql", &[]);
    let migrated = run_as(cluster, OWNER, &["migrate"]);
    assert_eq!(migrated.code(), Some(0), "{migrated:?}");
    run_file(&url, "roles.sql", &[]);
}
