//! Converts between the messages of the contract and the types of the domain.

use domain::{Error, IdempotencyKey, Task, TaskBatch, TaskDraft, User};
use proto::{tasks::v1, wire::limits};

// The gateway checks this limit, too.
const _: () = assert!(IdempotencyKey::MAX_BYTES == limits::IDEMPOTENCY_KEY_BYTES);

/// Parses a request to create a batch.
///
/// # Errors
/// [`Error::Invalid`] with every field violation.
pub(crate) fn to_batch(request: v1::BatchCreateTasksRequest) -> Result<TaskBatch, Error> {
    let drafts = request.tasks.into_iter().map(|task| TaskDraft {
        description: task.description,
        assignee_emails: task.assignee_emails,
    });
    TaskBatch::parse(request.case_id, drafts, request.request_id).map_err(Error::Invalid)
}

/// Converts a task for a response.
pub(super) fn from_task(task: Task) -> v1::Task {
    v1::Task {
        id: task.id.get(),
        description: task.description.into_string(),
        completed: task.completed,
        assignees: task.assignees.into_iter().map(from_user).collect(),
        created_at: Some(task.created_at.into()),
        updated_at: Some(task.updated_at.into()),
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
