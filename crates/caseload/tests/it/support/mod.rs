//! What the tests share: a Postgres, a running Caseload on a database of its own, and clients.

mod app;
mod database;

pub(crate) use app::{App, AppBuilder, Reply};
pub(crate) use database::TestDatabase;

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
