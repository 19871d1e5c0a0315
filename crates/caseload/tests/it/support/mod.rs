//! Fixtures and helpers that several tests use: a Postgres, a running Caseload, clients, processes.

mod app;
mod create_call;
mod database;
pub(crate) mod http2;
pub(crate) mod polling;
mod port;
mod program;
pub(crate) mod raw_http;
mod reply;
mod session;
pub(crate) mod write_path;

use std::path::Path;

pub(crate) use app::{App, new_key, populate, start_gateway, start_gateway_with, start_server};
pub(crate) use create_call::{CreateCall, code_and_reasons, create_over_grpc, new_task};
pub(crate) use database::{TestDatabase, open, program as postgres_program, psql};
pub(crate) use port::ReservedPort;
pub(crate) use program::{Exited, Program};
pub(crate) use reply::Reply;
pub(crate) use session::Session;

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
    let args = [&["serve"], args].concat();
    Program::start_with_env(CASELOAD, &args, &[("CASELOAD_DATABASE_URL", database_url)])
}

/// Returns an HTTP client that ignores the proxies of the environment.
pub(crate) fn http_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A valid REST body with one task, without assignees.
pub(crate) const ONE_TASK: &str = r#"{"tasks":[{"description":"x"}]}"#;

/// A valid REST body with one task and one assignee.
pub(crate) const ONE_ASSIGNED_TASK: &str =
    r#"{"tasks":[{"description":"x","assignee_emails":["user1@example.com"]}]}"#;

/// The sample request of the API document, word for word.
pub(crate) const SAMPLE: &str = r#"{
"tasks": [
{
"description": "Review security logs for suspicious activity",
"assignee_emails": ["user1@example.com"]
},
{
"description": "Update incident runbook"
},
{
"description": "Close related tickets",
"assignee_emails": ["user2@example.com", "user3@example.com"]
}
]
}"#;
