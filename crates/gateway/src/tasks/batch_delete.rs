//! `DELETE /api/v2/cases/{case_id}/tasks/batch`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use proto::tasks::v1::BatchDeleteTasksRequest;

use super::dto::{DeleteTasks, DestroyedTasks};
use crate::{
    extract::{CallOptions, CaseId, JsonBody, NoIfMatch, NoParameters},
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// Deletes up to 25 tasks of a case: all or none.
pub(crate) async fn batch_delete<T: Transport>(
    State(client): State<Client<T>>,
    CaseId(case_id): CaseId,
    _: NoParameters,
    _: NoIfMatch,
    options: CallOptions,
    JsonBody { value, permit: _permit }: JsonBody<DeleteTasks>,
) -> Result<Response, Problem> {
    let destroyed_ids = value.task_ids.iter().map(i64::to_string).collect();
    let message = BatchDeleteTasksRequest { case_id, task_ids: value.task_ids };
    let reply = client
        .call(Retry::IfUnreached, options, message, |transport, request| async {
            task_service(transport).batch_delete_tasks(request).await
        })
        .await?;
    Ok(reply.map(|_| DestroyedTasks { destroyed_ids }).into_response())
}
