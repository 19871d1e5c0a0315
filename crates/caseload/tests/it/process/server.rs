//! `caseload serve` on a database whose URL has a password.

use crate::support::{Program, TestDatabase, start_server_process};

/// The password of database URLs. It must never be printed or logged.
pub(super) const PASSWORD: &str = "hunter2hunter2";

/// Returns the database's URL with a password, which the Postgres of the tests ignores.
pub(super) fn secret_url(database: &TestDatabase) -> String {
    let url = database.url().expose();
    let (user, rest) = url.split_once('@').unwrap();
    format!("{user}:{PASSWORD}@{rest}")
}

/// Starts `caseload serve` on a database and a free port, and waits until it serves.
pub(super) fn serve(database: &TestDatabase, more_args: &[&str]) -> Program {
    let args = [&["--grpc-addr", "127.0.0.1:0"], more_args].concat();
    let program = start_server_process(&secret_url(database), &args);
    program.wait_for_log("serving");
    program
}
