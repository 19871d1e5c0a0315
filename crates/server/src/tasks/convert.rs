//! Converts between the messages of the contract and the types of the domain.

use domain::{
    Assignees, CaseId, Description, Error, Etag, IdempotencyKey, IdempotencyRecord, ListDraft,
    NewTask, Task, TaskBatch, TaskChange, TaskDraft, TaskEvent, TaskId, Time, UpdateDraft, User,
};
use proto::{tasks::v1, wire::limits};

// The gateway checks this limit, too.
const _: () = assert!(IdempotencyKey::MAX_BYTES == limits::IDEMPOTENCY_KEY_BYTES);

/// Parses a request to create a batch.
///
/// # Errors
/// [`Error::Invalid`] with every field violation.
pub(crate) fn to_batch(request: v1::BatchCreateTasksRequest) -> Result<TaskBatch, Error> {
    let drafts = request.tasks.into_iter().map(to_task_draft);
    TaskBatch::parse(request.case_id, drafts, request.request_id).map_err(Error::Invalid)
}

/// Parses a request to create one task, as a batch.
///
/// # Errors
/// [`Error::Invalid`] with every field violation, as of a batch.
pub(super) fn to_batch_of_one(request: v1::CreateTaskRequest) -> Result<TaskBatch, Error> {
    let draft = to_task_draft(request.task.unwrap_or_default());
    TaskBatch::parse_one(request.case_id, draft, request.request_id).map_err(Error::Invalid)
}

/// Converts a task to create.
pub(crate) fn to_task_draft(task: v1::NewTask) -> TaskDraft {
    TaskDraft { description: task.description, assignee_emails: task.assignee_emails }
}

/// Converts a change.
pub(crate) fn to_update_draft(update: v1::TaskUpdate) -> UpdateDraft {
    let v1::TaskUpdate { id, description, completed, assignee_emails, update_mask, etag } = update;
    let paths = update_mask.map_or(Vec::new(), |mask| mask.paths);
    if paths.is_empty() {
        let assignee_emails = Some(assignee_emails).filter(|emails| !emails.is_empty());
        let names_other_field = false;
        return UpdateDraft {
            id,
            description,
            completed,
            assignee_emails,
            etag,
            names_other_field,
        };
    }
    let has = |field: &str| paths.iter().any(|path| path == field || path == "*");
    let fields = ["description", "completed", "assignee_emails", "*"];
    UpdateDraft {
        id,
        description: has("description").then(|| description.unwrap_or_default()),
        completed: has("completed").then(|| completed.unwrap_or_default()),
        assignee_emails: has("assignee_emails").then_some(assignee_emails),
        etag,
        names_other_field: paths.iter().any(|path| !fields.contains(&path.as_str())),
    }
}

/// Converts a request for a list.
pub(crate) fn to_list_draft(request: v1::ListTasksRequest) -> ListDraft {
    let time = |time: proto::Timestamp| Time { seconds: time.seconds, nanos: time.nanos };
    ListDraft {
        case_id: request.case_id,
        page_size: request.page_size,
        page_token: request.page_token,
        skip: request.skip,
        completed: request.completed,
        assignee_email: request.assignee_email,
        updated_after: request.updated_after.map(time),
        count_total: request.count_total,
    }
}

/// Converts a task for a response.
pub(crate) fn from_task(task: Task) -> v1::Task {
    v1::Task {
        id: task.id.get(),
        case_id: task.case.get(),
        etag: Etag::of(task.updated_at).to_string(),
        description: task.description.into_string(),
        completed: task.completed,
        assignees: task.assignees.into_iter().map(from_user).collect(),
        created_at: Some(task.created_at.into()),
        updated_at: Some(task.updated_at.into()),
    }
}

/// Converts a batch that was not created, given the users of each task, for a response.
pub(super) fn from_trial(batch: TaskBatch, users: Vec<Vec<User>>) -> Vec<v1::Task> {
    let case_id = batch.case().get();
    from_new_tasks(case_id, batch.into_tasks(), users)
}

/// Converts tasks that were not created, given the users of each, for a response: they have neither
/// ids nor times.
pub(crate) fn from_new_tasks(
    case_id: i64,
    tasks: Vec<NewTask>,
    users: Vec<Vec<User>>,
) -> Vec<v1::Task> {
    let tasks = tasks.into_iter().zip(users);
    let tasks = tasks.map(|(task, users)| v1::Task {
        case_id,
        description: task.description.into_string(),
        assignees: users.into_iter().map(from_user).collect(),
        ..v1::Task::default()
    });
    tasks.collect()
}

/// Converts the record of an idempotency key for a response.
pub(super) fn from_record(
    key: &IdempotencyKey,
    record: IdempotencyRecord,
) -> v1::IdempotencyRecord {
    v1::IdempotencyRecord {
        request_id: key.as_str().to_owned(),
        task_ids: record.tasks.into_iter().map(TaskId::get).collect(),
        created_at: Some(record.created_at.into()),
        case_id: record.case.map_or(0, CaseId::get),
    }
}

/// Converts an event for a response.
pub(super) fn from_event(event: TaskEvent) -> v1::TaskEvent {
    use v1::TaskEventKind::{
        Assigned, Completed, Created, Deleted, Described, Reopened, Unassigned,
    };
    let (kind, description, assignees) = match event.change {
        TaskChange::Created(assignees) => (Created, None, Some(assignees)),
        TaskChange::Completed => (Completed, None, None),
        TaskChange::Reopened => (Reopened, None, None),
        TaskChange::Described(description) => (Described, Some(description), None),
        TaskChange::Assigned(assignees) => (Assigned, None, Some(assignees)),
        TaskChange::Unassigned(assignees) => (Unassigned, None, Some(assignees)),
        TaskChange::Deleted => (Deleted, None, None),
    };
    let Assignees { users, after } = assignees.unwrap_or_default();
    v1::TaskEvent {
        id: event.id.get(),
        case_id: event.case.get(),
        task_id: event.task.get(),
        kind: kind.into(),
        api_key: Some(v1::ApiKey { id: event.key.get(), name: event.key_name }),
        request_id: event.request_id,
        created_at: Some(event.created_at.into()),
        description: description.map_or_else(String::new, Description::into_string),
        users: users.into_iter().map(from_user).collect(),
        assignee_ids: after.iter().map(ToString::to_string).collect(),
    }
}

fn from_user(user: User) -> v1::Assignee {
    v1::Assignee {
        id: user.id.to_string(),
        email: user.email.into_string(),
        first_name: user.first_name,
        last_name: user.last_name,
    }
}
