//! `caseload tasks get`.

use proto::tasks::v1::{BatchGetTasksRequest, BatchGetTasksResponse};

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

pub(crate) async fn get(
    client: &Client,
    tasks: SomeTasks,
    output: &mut Output,
) -> Result<(), ClientError> {
    for task_ids in tasks.task_ids.chunks(BATCH) {
        let request =
            BatchGetTasksRequest { case_id: tasks.case_id, task_ids: task_ids.to_owned() };
        let found: BatchGetTasksResponse = client
            .call(Repeat::Read, request, |channel, request| async move {
                task_service(channel).batch_get_tasks(request).await
            })
            .await
            .map_err(|error| error.name_items("task_ids", task_ids))?
            .message;
        output.tasks(found.tasks, Layout { with_case: false, whole: true })?;
    }
    Ok(())
}
