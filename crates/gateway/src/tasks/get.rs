//! `GET /api/v2/cases/{case_id}/tasks/{task_id}`

use axum::{extract::State, response::Response};
use http::StatusCode;
use proto::tasks::v1::GetTaskRequest;

use super::one_task::with_task;
use crate::{
    extract::{CallOptions, CaseId, NoParameters, TaskId},
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// Returns a task.
pub(crate) async fn get<T: Transport>(
    State(client): State<Client<T>>,
    CaseId(case_id): CaseId,
    TaskId(task_id): TaskId,
    _: NoParameters,
    options: CallOptions,
) -> Result<Response, Problem> {
    let message = GetTaskRequest { case_id, task_id };
    let reply = client
        .call(Retry::Always, options, message, |transport, request| async {
            task_service(transport).get_task(request).await
        })
        .await?;
    Ok(with_task(StatusCode::OK, reply.map(|response| response.task)))
}
