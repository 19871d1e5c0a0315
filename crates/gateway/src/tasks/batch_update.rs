//! `PUT /api/v2/cases/{case_id}/tasks/batch`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use proto::tasks::v1::BatchUpdateTasksRequest;

use super::{
    convert,
    dto::{Tasks, UpdateTasks},
    example,
};
use crate::{
    context::Context,
    extract::{CallOptions, CaseId, JsonBody, NoIfMatch, ValidateOnly},
    openapi::{Route, Scope},
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route of the call.
pub(super) fn route<T: Transport>() -> Route<Context<T>> {
    Route::new(Operation, batch_update::<T>)
        .calls("/caseload.tasks.v1.TaskService/BatchUpdateTasks", &[Scope::TasksWrite])
        .example(example::UPDATE_TASKS)
        .returns::<Tasks>(
            StatusCode::OK,
            "The tasks as they are now; with `validate_only` as they would be.",
            example::UPDATED_TASKS,
        )
}

/// Changes a batch of tasks.
///
/// Changes 1 to 25 tasks of a case: all of them or none.
#[utoipa::path(
    impl_for = Operation,
    put,
    path = "/api/v2/cases/{case_id}/tasks/batch",
    operation_id = "batchUpdateTasks"
)]
async fn batch_update<T: Transport>(
    State(client): State<Client<T>>,
    CaseId(case_id): CaseId,
    ValidateOnly(validate_only): ValidateOnly,
    _: NoIfMatch,
    options: CallOptions,
    JsonBody { value, permit: _permit }: JsonBody<UpdateTasks>,
) -> Result<Response, Problem> {
    let tasks = convert::to_updates(value);
    let message = BatchUpdateTasksRequest { case_id, tasks, validate_only };
    let reply = client
        .call(Retry::of_update(validate_only), options, message, |transport, request| async {
            task_service(transport).batch_update_tasks(request).await
        })
        .await?;
    Ok(reply.map(|response| convert::to_tasks_body(response.tasks)).into_response())
}
