//! `GET /api/v2/cases/{case_id}/tasks/{task_id}`

use axum::{extract::State, response::Response};
use http::StatusCode;
use proto::tasks::v1::GetTaskRequest;

use super::{dto::OneTask, example, one_task::with_task};
use crate::{
    context::Context,
    extract::{CallOptions, CaseId, NoParameters, TaskId},
    openapi::{Route, Scope},
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route of the call.
pub(super) fn route<T: Transport>() -> Route<Context<T>> {
    Route::new(Operation, get::<T>)
        .calls("/caseload.tasks.v1.TaskService/GetTask", &[Scope::TasksRead])
        .returns::<OneTask>(StatusCode::OK, "The task.", example::TASK)
        .with_etag()
}

/// Returns a task.
///
/// `ETag` names its state, for `If-Match` of a change.
#[utoipa::path(
    impl_for = Operation,
    get,
    path = "/api/v2/cases/{case_id}/tasks/{task_id}",
    operation_id = "getTask"
)]
async fn get<T: Transport>(
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
    Ok(with_task(StatusCode::OK, reply.map(|response| response.task.unwrap_or_default())))
}
