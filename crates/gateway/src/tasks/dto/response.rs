//! The bodies of responses.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    openapi::schema::{self, Id, IdText, Time},
    page::Meta,
    tasks::event_kind,
};

/// What a request with an idempotency key did: a key that did nothing has no record.
pub(crate) const OUTCOME_CREATED: &str = "created";

/// Tasks, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tasks {
    /// The tasks.
    pub(crate) tasks: Vec<Task>,
}

/// Tasks that were only checked, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckedTasks {
    /// The tasks.
    pub(crate) tasks: Vec<CheckedTask>,
}

/// A task that was deleted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DestroyedTask {
    /// The id of the task.
    #[schema(value_type = IdText)]
    pub(crate) destroyed_id: String,
}

/// Tasks that were deleted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DestroyedTasks {
    /// The ids of the tasks, in the order of the request.
    #[schema(value_type = Vec<IdText>)]
    pub(crate) destroyed_ids: Vec<String>,
}

/// What became of a request with an idempotency key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IdempotencyKey {
    /// What the request created.
    pub(crate) idempotency_key: IdempotencyRecord,
}

/// What a request with an idempotency key created.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IdempotencyRecord {
    /// The key.
    #[schema(value_type = schema::KeyText)]
    pub(crate) key: String,
    /// `created`: a key that created nothing has no record.
    #[schema(value_type = Outcome)]
    pub(crate) outcome: &'static str,
    /// The case, if the request created one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Id>, nullable = false)]
    pub(crate) case_id: Option<i64>,
    /// The tasks, in the order of the request. They may have been changed or deleted since.
    #[schema(value_type = Vec<Id>)]
    pub(crate) task_ids: Vec<i64>,
    /// When that was.
    #[schema(value_type = Time)]
    pub(crate) created_at: String,
}

/// One task.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneTask {
    /// The task.
    pub(crate) task: Task,
}

/// One task that was only checked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneCheckedTask {
    /// The task.
    pub(crate) task: CheckedTask,
}

/// A page of the tasks of a case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskList {
    /// The tasks, in the order of their creation.
    pub(crate) tasks: Vec<Task>,
    /// Where in the list the page is.
    pub(crate) meta: Meta,
}

/// A page of the tasks of a user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TasksOfUser {
    /// The tasks, in the order of their creation.
    pub(crate) tasks: Vec<TaskOfCase>,
    /// Where in the list the page is.
    pub(crate) meta: Meta,
}

/// A task.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Task {
    /// The id of the task.
    #[schema(value_type = Id)]
    pub(crate) id: i64,
    /// What is to be done.
    pub(crate) description: String,
    /// Whether the task is completed.
    pub(crate) completed: bool,
    /// The users to whom the task is assigned, in the order of the request that assigned them.
    pub(crate) assignees: Vec<Assignee>,
    /// When the task was created.
    #[schema(value_type = Time)]
    pub(crate) created_at: String,
    /// When the task was changed last.
    #[schema(value_type = Time)]
    pub(crate) updated_at: String,
}

/// A task, with its case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskOfCase {
    /// The id of the task.
    #[schema(value_type = Id)]
    pub(crate) id: i64,
    /// The id of its case.
    #[schema(value_type = Id)]
    pub(crate) case_id: i64,
    /// What is to be done.
    pub(crate) description: String,
    /// Whether the task is completed.
    pub(crate) completed: bool,
    /// The users to whom the task is assigned, in the order of the request that assigned them.
    pub(crate) assignees: Vec<Assignee>,
    /// When the task was created.
    #[schema(value_type = Time)]
    pub(crate) created_at: String,
    /// When the task was changed last.
    #[schema(value_type = Time)]
    pub(crate) updated_at: String,
}

/// A task that was only checked, as it would be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckedTask {
    /// What is to be done.
    pub(crate) description: String,
    /// Whether the task is completed.
    pub(crate) completed: bool,
    /// The users to whom the task would be assigned.
    pub(crate) assignees: Vec<Assignee>,
}

/// A page of what was done to a task.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskEventList {
    /// The events, in the order in which they happened.
    pub(crate) task_events: Vec<TaskEvent>,
    /// Where in the list the page is.
    pub(crate) meta: Meta,
}

/// Something that was done to a task.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskEvent {
    /// The id of the event. Those of a task ascend in the order of its changes; tasks that one request has
    /// created have the first one in common.
    #[schema(value_type = Id)]
    pub(crate) id: i64,
    /// The case of the task.
    #[schema(value_type = Id)]
    pub(crate) case_id: i64,
    /// The task.
    #[schema(value_type = Id)]
    pub(crate) task_id: i64,
    /// What was done.
    #[schema(value_type = TaskEventKind)]
    pub(crate) kind: &'static str,
    /// The API key by which it was done.
    pub(crate) api_key: ApiKey,
    /// The id of the request in which it was done.
    pub(crate) request_id: String,
    /// When it was done.
    #[schema(value_type = Time)]
    pub(crate) created_at: String,
    /// The new description. Only of the kind `described`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) description: Option<String>,
    /// Those to whom the task was assigned, or who were added or removed. Only of the kinds `created`,
    /// `assigned` and `unassigned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) users: Option<Vec<Assignee>>,
    /// The ids of all assignees after the change, in order. Only of the kinds `created`, `assigned` and
    /// `unassigned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<IdText>>, nullable = false)]
    pub(crate) assignee_ids: Option<Vec<String>>,
}

schema::values! {
    /// What was done to a task.
    TaskEventKind = schema::one_of(event_kind::names());
    /// What a request did.
    Outcome = schema::one_of([OUTCOME_CREATED]);
}

/// The API key of a request. It is not the key itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKey {
    /// The id of the key.
    #[schema(value_type = Id)]
    pub(crate) id: i64,
    /// The name of the key.
    pub(crate) name: String,
}

/// A user to whom a task is assigned.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Assignee {
    /// The id of the user.
    #[schema(value_type = IdText)]
    pub(crate) id: String,
    /// The email of the user.
    #[schema(value_type = schema::Email)]
    pub(crate) email: String,
    /// The first name of the user.
    pub(crate) first_name: String,
    /// The last name of the user.
    pub(crate) last_name: String,
}
