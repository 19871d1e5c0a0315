//! `DELETE /api/v2/cases/{case_id}/tasks/{task_id}`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use proto::tasks::v1::DeleteTaskRequest;

use super::{dto::DestroyedTask, example};
use crate::{
    context::Context,
    extract::{CallOptions, CaseId, IfMatch, IgnoredBody, NoParameters, TaskId},
    openapi::{Route, Scope},
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route of the call.
pub(super) fn route<T: Transport>() -> Route<Context<T>> {
    Route::new(Operation, delete::<T>)
        .calls("/caseload.tasks.v1.TaskService/DeleteTask", &[Scope::TasksWrite])
        .returns::<DestroyedTask>(StatusCode::OK, "The task was deleted.", example::DESTROYED_TASK)
}

/// Deletes a task.
///
/// Its assignments are deleted with it. Its history stays.
#[utoipa::path(
    impl_for = Operation,
    delete,
    path = "/api/v2/cases/{case_id}/tasks/{task_id}",
    operation_id = "deleteTask"
)]
async fn delete<T: Transport>(
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
