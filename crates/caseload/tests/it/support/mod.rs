//! What the tests share: a Postgres, a running Caseload on a database of its own, and clients.

mod app;
mod database;
pub(crate) mod patience;
mod port;
mod program;
mod session;
pub(crate) mod write_path;

pub(crate) use app::{
    App, Reply, new_key, populate, start_gateway, start_gateway_with, start_server,
};
pub(crate) use database::{TestDatabase, open, program as postgres_program, psql};
pub(crate) use port::ReservedPort;
pub(crate) use program::{Ended, Program};
pub(crate) use session::Session;

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
