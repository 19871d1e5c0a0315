//! `caseload tasks delete`.

use proto::tasks::v1::{BatchDeleteTasksRequest, BatchDeleteTasksResponse};

use super::service::{BATCH, task_service};
use crate::{
    cli::SomeTasks,
    client::{
        connection::Client, document::DestroyedTask, error::ClientError, output::Output,
        retry::Repeat,
    },
};

pub(crate) async fn delete(
    client: &Client,
    tasks: SomeTasks,
    output: &mut Output,
) -> Result<(), ClientError> {
    for task_ids in tasks.task_ids.chunks(BATCH) {
        let request =
            BatchDeleteTasksRequest { case_id: tasks.case_id, task_ids: task_ids.to_owned() };
        let BatchDeleteTasksResponse {} = client
            // Once the tasks are gone, the response is another one.
            .call(Repeat::IfUndone, request, |channel, request| async move {
                task_service(channel).batch_delete_tasks(request).await
            })
            .await
            .map_err(|error| error.name_items("task_ids", task_ids))?
            .message;
        for id in task_ids {
            if output.is_json() {
                output.object(&DestroyedTask { destroyed_id: id.to_string() })?;
            } else {
                output.line(&format!("task {id} was deleted"))?;
            }
        }
        output.flush()?;
    }
    Ok(())
}
