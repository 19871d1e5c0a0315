//! Between the contract's messages and the domain's types.

use domain::{Error, Task, TaskBatch, TaskDraft, User};
use proto::tasks::v1;

/// The batch that a request asks for.
///
/// # Errors
/// [`Error::Invalid`] with every fault of form.
pub(crate) fn to_batch(request: v1::BatchCreateTasksRequest) -> Result<TaskBatch, Error> {
    let drafts = request.tasks.into_iter().map(|task| TaskDraft {
        description: task.description,
        assignee_emails: task.assignee_emails,
    });
    TaskBatch::parse(request.case_id, drafts, request.request_id).map_err(Error::Invalid)
}

/// The response that hands the created tasks over.
pub(crate) fn to_response(tasks: Vec<Task>) -> v1::BatchCreateTasksResponse {
    v1::BatchCreateTasksResponse { tasks: tasks.into_iter().map(to_task).collect() }
}

fn to_task(task: Task) -> v1::Task {
    v1::Task {
        id: task.id.get(),
        description: task.description.into_string(),
        completed: task.completed,
        assignees: task.assignees.into_iter().map(to_assignee).collect(),
        created_at: Some(task.created_at.into()),
        updated_at: Some(task.updated_at.into()),
    }
}

fn to_assignee(user: User) -> v1::Assignee {
    v1::Assignee {
        id: user.id.to_string(),
        email: user.email.into_string(),
        first_name: user.first_name,
        last_name: user.last_name,
    }
}
