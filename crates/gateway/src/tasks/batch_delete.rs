//! `DELETE /api/v2/cases/{case_id}/tasks/batch`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use proto::tasks::v1::BatchDeleteTasksRequest;

use super::{
    dto::{DeleteTasks, DestroyedTasks},
    example,
};
use crate::{
    context::Context,
    extract::{BodyId, CallOptions, CaseId, JsonBody, NoIfMatch, NoParameters},
    openapi::{Route, Scope},
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route of the call.
pub(super) fn route<T: Transport>() -> Route<Context<T>> {
    Route::new(Operation, batch_delete::<T>)
        .calls("/caseload.tasks.v1.TaskService/BatchDeleteTasks", &[Scope::TasksWrite])
        .example(example::DELETE_TASKS)
        .returns::<DestroyedTasks>(
            StatusCode::OK,
            "The tasks were deleted.",
            example::DESTROYED_TASKS,
        )
}

/// Deletes a batch of tasks.
///
/// Deletes 1 to 25 tasks of a case: all of them or none. A proxy may drop the body of a `DELETE`; the
/// response is then 415 or 400, and nothing is deleted.
#[utoipa::path(
    impl_for = Operation,
    delete,
    path = "/api/v2/cases/{case_id}/tasks/batch",
    operation_id = "batchDeleteTasks"
)]
async fn batch_delete<T: Transport>(
    State(client): State<Client<T>>,
    CaseId(case_id): CaseId,
    _: NoParameters,
    _: NoIfMatch,
    options: CallOptions,
    JsonBody { value, permit: _permit }: JsonBody<DeleteTasks>,
) -> Result<Response, Problem> {
    let task_ids: Vec<i64> = value.task_ids.into_iter().map(|BodyId(id)| id).collect();
    let destroyed_ids = task_ids.iter().map(i64::to_string).collect();
    let message = BatchDeleteTasksRequest { case_id, task_ids };
    let reply = client
        .call(Retry::IfUnreached, options, message, |transport, request| async {
            task_service(transport).batch_delete_tasks(request).await
        })
        .await?;
    Ok(reply.map(|_| DestroyedTasks { destroyed_ids }).into_response())
}
