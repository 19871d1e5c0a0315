//! `DELETE /api/v2/cases/{case_id}/tasks/{task_id}`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use proto::tasks::v1::DeleteTaskRequest;

use super::dto::DestroyedTask;
use crate::{
    extract::{CallOptions, CaseId, IfMatch, IgnoredBody, NoParameters, TaskId},
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// Deletes a task.
pub(crate) async fn delete<T: Transport>(
    State(client): State<Client<T>>,
    CaseId(case_id): CaseId,
    TaskId(task_id): TaskId,
    _: NoParameters,
    IfMatch(etag): IfMatch,
    options: CallOptions,
    _: IgnoredBody,
) -> Result<Response, Problem> {
    let message = DeleteTaskRequest { case_id, task_id, etag };
    let reply = client
        .call(Retry::IfUnreached, options, message, |transport, request| async {
            task_service(transport).delete_task(request).await
        })
        .await?;
    Ok(reply.map(|_| DestroyedTask { destroyed_id: task_id.to_string() }).into_response())
}
