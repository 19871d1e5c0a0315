//! What the tests share: a Postgres, a running Caseload on a database of its own, and clients.

mod app;
pub(crate) mod create_call;
mod database;
pub(crate) mod polling;
mod port;
mod program;
pub(crate) mod raw_http;
mod session;
pub(crate) mod write_path;

use std::path::Path;

pub(crate) use app::{
    App, Reply, new_key, populate, start_gateway, start_gateway_with, start_server,
};
pub(crate) use database::{TestDatabase, open, program as postgres_program, psql};
pub(crate) use port::ReservedPort;
pub(crate) use program::{Ended, Program};
pub(crate) use session::Session;

/// The program `caseload-gateway`.
pub(crate) fn gateway_path() -> String {
    // All programs of the workspace are built into one directory.
    let path = Path::new(env!("CARGO_BIN_EXE_caseload")).with_file_name("caseload-gateway");
    assert!(path.exists(), "run cargo build --bin caseload-gateway first");
    path.into_os_string().into_string().unwrap()
}

/// The case and the users of the document, word for word.
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
