//! `PUT /api/v2/cases/{case_id}/tasks/{task_id}`

use axum::{extract::State, response::Response};
use http::StatusCode;
use proto::tasks::v1::UpdateTaskRequest;

use super::{
    convert,
    dto::{OneTask, UpdateTask},
    example,
    one_task::with_task,
};
use crate::{
    context::Context,
    extract::{CallOptions, CaseId, IfMatch, JsonBody, TaskId, ValidateOnly},
    openapi::{Route, Scope},
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route of the call.
pub(super) fn route<T: Transport>() -> Route<Context<T>> {
    Route::new(Operation, update::<T>)
        .calls("/caseload.tasks.v1.TaskService/UpdateTask", &[Scope::TasksWrite])
        .example(example::UPDATE_TASK)
        .returns::<OneTask>(
            StatusCode::OK,
            "The task as it is now; with `validate_only` as it would be.",
            example::UPDATED_TASK,
        )
        .with_etag()
}

/// Changes a task.
///
/// The members that the request has are set, and no others. A task that already is as it should be stays as it
/// is.
#[utoipa::path(
    impl_for = Operation,
    put,
    path = "/api/v2/cases/{case_id}/tasks/{task_id}",
    operation_id = "updateTask"
)]
async fn update<T: Transport>(
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
    Ok(with_task(StatusCode::OK, reply.map(|response| response.task.unwrap_or_default())))
}
