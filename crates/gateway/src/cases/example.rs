//! Examples of requests and responses about cases, for the OpenAPI document.

/// A request to create a case with tasks.
pub(super) const CREATE_CASE: &str = r#"
{"name":"Phishing mail","priority":"HIGH","tasks":[{"description":"Warn the recipients",
"assignee_emails":["user1@example.com"]},{"description":"Block the sender"}]}"#;

/// The case after that.
pub(super) const CREATED_CASE: &str = r#"
{"case_id":2,"name":"Phishing mail","description":"","priority":"HIGH","status":"OPEN",
"team_id":null,"created_at":"2024-03-26T09:00:00Z","updated_at":"2024-03-26T09:00:00Z",
"tasks":[{"id":8,"description":"Warn the recipients","completed":false,"assignees":[{"id":"123",
"email":"user1@example.com","first_name":"John","last_name":"Doe"}],
"created_at":"2024-03-26T09:00:00Z","updated_at":"2024-03-26T09:00:00Z"},{"id":9,
"description":"Block the sender","completed":false,"assignees":[],
"created_at":"2024-03-26T09:00:00Z","updated_at":"2024-03-26T09:00:00Z"}]}"#;

/// The same case, only checked.
pub(super) const CHECKED_CASE: &str = r#"
{"name":"Phishing mail","description":"","priority":"HIGH","status":"OPEN","team_id":null,
"tasks":[{"description":"Warn the recipients","completed":false,"assignees":[{"id":"123",
"email":"user1@example.com","first_name":"John","last_name":"Doe"}]},
{"description":"Block the sender","completed":false,"assignees":[]}]}"#;

/// A case.
pub(super) const CASE: &str = r#"
{"case_id":2,"name":"Phishing mail","description":"","priority":"HIGH","status":"OPEN",
"team_id":null,"created_at":"2024-03-26T09:00:00Z","updated_at":"2024-03-26T09:00:00Z"}"#;

/// The only page of a list.
pub(super) const CASE_LIST: &str = r#"
{"cases":[{"case_id":2,"name":"Phishing mail","description":"","priority":"HIGH",
"status":"OPEN","team_id":null,"created_at":"2024-03-26T09:00:00Z",
"updated_at":"2024-03-26T09:00:00Z"}],"meta":{"current_page":1,"previous_page":null,
"next_page":null,"next_page_number":null,"per_page":20,"pages":1,"count":1}}"#;

/// A request to change a case.
pub(super) const UPDATE_CASE: &str = r#"{"status":"CLOSED"}"#;

/// The case after that.
pub(super) const UPDATED_CASE: &str = r#"
{"case_id":2,"name":"Phishing mail","description":"","priority":"HIGH","status":"CLOSED",
"team_id":null,"created_at":"2024-03-26T09:00:00Z","updated_at":"2024-03-27T10:30:00Z"}"#;
