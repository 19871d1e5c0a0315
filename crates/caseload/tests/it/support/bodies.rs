//! Valid bodies of REST requests.

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
