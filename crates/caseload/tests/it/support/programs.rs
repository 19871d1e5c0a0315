//! The programs of this workspace that these tests run.

use std::path::Path;

use super::Program;

/// The path of the program `caseload`.
pub(crate) const CASELOAD: &str = env!("CARGO_BIN_EXE_caseload");

/// Returns the path of the program `caseload-gateway`, which must have been built before.
pub(crate) fn gateway_path() -> String {
    // All programs of the workspace are built into one directory.
    let path = Path::new(CASELOAD).with_file_name("caseload-gateway");
    assert!(path.exists(), "run cargo build --bin caseload-gateway first");
    path.into_os_string().into_string().unwrap()
}

/// Starts `caseload serve` as a process on a database. It need not be ready yet.
pub(crate) fn start_server_process(database_url: &str, args: &[&str]) -> Program {
    start_server_process_with_env(database_url, args, &[])
}

/// Starts `caseload serve` as [`start_server_process`] does, with more environment variables.
pub(crate) fn start_server_process_with_env(
    database_url: &str,
    args: &[&str],
    variables: &[(&str, &str)],
) -> Program {
    let args = [&["serve"], args].concat();
    let variables = [&[("CASELOAD_DATABASE_URL", database_url)], variables].concat();
    Program::start_with_env(CASELOAD, &args, &variables)
}
