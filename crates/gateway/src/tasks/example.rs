//! Examples of requests and responses about tasks, for the OpenAPI document.

/// The request of the API document.
pub(super) const CREATE_TASKS: &str = r#"
{"tasks":[{"description":"Review security logs for suspicious activity",
"assignee_emails":["user1@example.com"]},{"description":"Update incident runbook"},
{"description":"Close related tickets","assignee_emails":["user2@example.com",
"user3@example.com"]}]}"#;

/// The response of the API document.
pub(super) const TASKS: &str = r#"
{"tasks":[{"id":1,"description":"Review security logs for suspicious activity",
"completed":false,"assignees":[{"id":"123","email":"user1@example.com","first_name":"John",
"last_name":"Doe"}],"created_at":"2024-03-25T15:40:39Z","updated_at":"2024-03-25T15:40:39Z"},
{"id":2,"description":"Update incident runbook","completed":false,"assignees":[],
"created_at":"2024-03-25T15:40:39Z","updated_at":"2024-03-25T15:40:39Z"},{"id":3,
"description":"Close related tickets","completed":false,"assignees":[{"id":"456",
"email":"user2@example.com","first_name":"Jane","last_name":"Smith"},{"id":"789",
"email":"user3@example.com","first_name":"Bob","last_name":"Wilson"}],
"created_at":"2024-03-25T15:40:39Z","updated_at":"2024-03-25T15:40:39Z"}]}"#;

/// The same tasks, only checked.
pub(super) const CHECKED_TASKS: &str = r#"
{"tasks":[{"description":"Review security logs for suspicious activity","completed":false,
"assignees":[{"id":"123","email":"user1@example.com","first_name":"John","last_name":"Doe"}]},
{"description":"Update incident runbook","completed":false,"assignees":[]},
{"description":"Close related tickets","completed":false,"assignees":[{"id":"456",
"email":"user2@example.com","first_name":"Jane","last_name":"Smith"},{"id":"789",
"email":"user3@example.com","first_name":"Bob","last_name":"Wilson"}]}]}"#;

/// A request to create one task.
pub(super) const CREATE_TASK: &str = r#"
{"description":"Review security logs for suspicious activity",
"assignee_emails":["user1@example.com"]}"#;

/// A task.
pub(super) const TASK: &str = r#"
{"task":{"id":1,"description":"Review security logs for suspicious activity","completed":false,
"assignees":[{"id":"123","email":"user1@example.com","first_name":"John","last_name":"Doe"}],
"created_at":"2024-03-25T15:40:39Z","updated_at":"2024-03-25T15:40:39Z"}}"#;

/// The same task, only checked.
pub(super) const CHECKED_TASK: &str = r#"
{"task":{"description":"Review security logs for suspicious activity","completed":false,
"assignees":[{"id":"123","email":"user1@example.com","first_name":"John","last_name":"Doe"}]}}"#;

/// A request to change a task.
pub(super) const UPDATE_TASK: &str = r#"{"completed":true}"#;

/// The task after that.
pub(super) const UPDATED_TASK: &str = r#"
{"task":{"id":1,"description":"Review security logs for suspicious activity","completed":true,
"assignees":[{"id":"123","email":"user1@example.com","first_name":"John","last_name":"Doe"}],
"created_at":"2024-03-25T15:40:39Z","updated_at":"2024-03-26T08:15:00Z"}}"#;

/// A request to change tasks. It has no entity tag: one that is made up would have it rejected.
pub(super) const UPDATE_TASKS: &str = r#"
{"tasks":[{"id":1,"completed":true},{"id":2,
"description":"Update incident runbook and contacts"}]}"#;

/// The tasks after that.
pub(super) const UPDATED_TASKS: &str = r#"
{"tasks":[{"id":1,"description":"Review security logs for suspicious activity","completed":true,
"assignees":[{"id":"123","email":"user1@example.com","first_name":"John","last_name":"Doe"}],
"created_at":"2024-03-25T15:40:39Z","updated_at":"2024-03-26T08:15:00Z"},{"id":2,
"description":"Update incident runbook and contacts","completed":false,"assignees":[],
"created_at":"2024-03-25T15:40:39Z","updated_at":"2024-03-26T08:15:00Z"}]}"#;

/// A task that was deleted.
pub(super) const DESTROYED_TASK: &str = r#"{"destroyed_id":"1"}"#;

/// A request to delete tasks.
pub(super) const DELETE_TASKS: &str = r#"{"task_ids":[1,2]}"#;

/// The tasks that were deleted.
pub(super) const DESTROYED_TASKS: &str = r#"{"destroyed_ids":["1","2"]}"#;

/// The first of two pages.
pub(super) const TASK_LIST: &str = r#"
{"tasks":[{"id":1,"description":"Review security logs for suspicious activity",
"completed":false,"assignees":[{"id":"123","email":"user1@example.com","first_name":"John",
"last_name":"Doe"}],"created_at":"2024-03-25T15:40:39Z","updated_at":"2024-03-25T15:40:39Z"},
{"id":2,"description":"Update incident runbook","completed":false,"assignees":[],
"created_at":"2024-03-25T15:40:39Z","updated_at":"2024-03-25T15:40:39Z"}],
"meta":{"current_page":1,"previous_page":null,
"next_page":"https://caseload.example/api/v2/cases/1/tasks?page=2&per_page=2",
"next_page_number":2,"per_page":2,"pages":2,"count":3}}"#;

/// The first of two pages.
pub(super) const TASKS_OF_USER: &str = r#"
{"tasks":[{"id":1,"case_id":1,"description":"Review security logs for suspicious activity",
"completed":false,"assignees":[{"id":"123","email":"user1@example.com","first_name":"John",
"last_name":"Doe"}],"created_at":"2024-03-25T15:40:39Z","updated_at":"2024-03-25T15:40:39Z"},
{"id":8,"case_id":2,"description":"Warn the recipients","completed":false,
"assignees":[{"id":"123","email":"user1@example.com","first_name":"John","last_name":"Doe"}],
"created_at":"2024-03-26T09:00:00Z","updated_at":"2024-03-26T09:00:00Z"}],
"meta":{"current_page":1,"previous_page":null,
"next_page":"https://caseload.example/api/v2/tasks?page=2&per_page=2&assignee_email=user1%40example.com",
"next_page_number":2,"per_page":2,"pages":2,"count":3}}"#;

/// What was done to a task.
pub(super) const TASK_EVENTS: &str = r#"
{"task_events":[{"id":1,"case_id":1,"task_id":1,"kind":"created","api_key":{"id":1,"name":"ci"},
"request_id":"1f0c4a9e-6f4b-4c2a-9d55-0d5a1f6f2a11","created_at":"2024-03-25T15:40:39Z",
"users":[{"id":"123","email":"user1@example.com","first_name":"John","last_name":"Doe"}],
"assignee_ids":["123"]},{"id":2,"case_id":1,"task_id":1,"kind":"completed","api_key":{"id":1,
"name":"ci"},"request_id":"8a92b1de-3c0b-4d0a-8a4f-7a1a6c4f9b20",
"created_at":"2024-03-26T08:15:00Z"}],"meta":{"current_page":1,"previous_page":null,
"next_page":null,"next_page_number":null,"per_page":20,"pages":1,"count":2}}"#;

/// What a request created.
pub(super) const IDEMPOTENCY_KEY: &str = r#"
{"idempotency_key":{"key":"8e03978e-40d5-43e8-bc93-6894a57f9324","outcome":"created",
"task_ids":[1,2,3],"created_at":"2024-03-25T15:40:39Z"}}"#;
