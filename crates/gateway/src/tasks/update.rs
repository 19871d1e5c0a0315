//! `PUT /api/v2/cases/{case_id}/tasks/{task_id}`

use axum::{extract::State, response::Response};
use http::StatusCode;
use proto::tasks::v1::UpdateTaskRequest;

use super::{convert, dto::UpdateTask, one_task::with_task};
use crate::{
    extract::{CallOptions, CaseId, IfMatch, JsonBody, TaskId, ValidateOnly},
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// Changes a task.
pub(crate) async fn update<T: Transport>(
    State(client): State<Client<T>>,
    CaseId(case_id): CaseId,
    TaskId(task_id): TaskId,
    ValidateOnly(validate_only): ValidateOnly,
    IfMatch(etag): IfMatch,
    options: CallOptions,
    JsonBody { value, permit: _permit }: JsonBody<UpdateTask>,
) -> Result<Response, Problem> {
    let task = Some(convert::to_update(task_id, value, etag));
    let message = UpdateTaskRequest { case_id, task, validate_only };
    let reply = client
        .call(Retry::of_update(validate_only), options, message, |transport, request| async {
            task_service(transport).update_task(request).await
        })
        .await?;
    Ok(with_task(StatusCode::OK, reply.map(|response| response.task)))
}
