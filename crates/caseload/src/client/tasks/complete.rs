//! `caseload tasks complete` and `reopen`.

use proto::tasks::v1::{BatchUpdateTasksRequest, BatchUpdateTasksResponse, TaskUpdate};

use super::service::{BATCH, task_service};
use crate::{
    cli::SomeTasks,
    client::{
        connection::Client,
        error::ClientError,
        output::{Layout, Output},
        retry::Repeat,
    },
};

/// Marks tasks as completed or not.
pub(crate) async fn complete(
    client: &Client,
    tasks: SomeTasks,
    completed: bool,
    output: &mut Output,
) -> Result<(), ClientError> {
    for task_ids in tasks.task_ids.chunks(BATCH) {
        let update =
            |id: &i64| TaskUpdate { id: *id, completed: Some(completed), ..TaskUpdate::default() };
        let request = BatchUpdateTasksRequest {
            case_id: tasks.case_id,
            tasks: task_ids.iter().map(update).collect(),
            validate_only: false,
        };
        let changed: BatchUpdateTasksResponse = client
            .call(Repeat::Idempotent, request, |channel, request| async move {
                task_service(channel).batch_update_tasks(request).await
            })
            .await
            .map_err(|error| error.name_items("tasks", task_ids))?
            .message;
        output.tasks(changed.tasks, Layout { with_case: false, whole: false })?;
    }
    Ok(())
}
