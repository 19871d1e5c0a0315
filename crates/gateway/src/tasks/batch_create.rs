//! `POST /api/v2/cases/{case_id}/tasks/batch`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};

use http::StatusCode;

use super::{
    convert,
    dto::{CheckedTasks, CreateTasks, Tasks},
    example,
};
use crate::{
    context::Context,
    extract::{CallOptions, CaseId, JsonBody, ValidateOnly},
    openapi::{Route, Scope},
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route of the call.
pub(super) fn route<T: Transport>() -> Route<Context<T>> {
    Route::new(Operation, batch_create::<T>)
        .calls("/caseload.tasks.v1.TaskService/BatchCreateTasks", &[Scope::TasksWrite])
        .example(example::CREATE_TASKS)
        // The first case of a new installation.
        .parameter_example("case_id", 1)
        .returns::<Tasks>(StatusCode::CREATED, "The tasks that were created.", example::TASKS)
        .leads_to(
            &["getTask", "updateTask", "deleteTask", "listTaskEvents"],
            &[("case_id", "$request.path.case_id"), ("task_id", "$response.body#/tasks/0/id")],
        )
        .leads_to(
            &["listTasks", "batchUpdateTasks", "batchDeleteTasks"],
            &[("case_id", "$request.path.case_id")],
        )
        .returns::<CheckedTasks>(
            StatusCode::OK,
            "The tasks as they would be created. Only with `validate_only`.",
            example::CHECKED_TASKS,
        )
}

/// Creates a batch of tasks.
///
/// Creates 1 to 25 tasks in a case: all of them or none.
#[utoipa::path(
    impl_for = Operation,
    post,
    path = "/api/v2/cases/{case_id}/tasks/batch",
    operation_id = "batchCreateTasks"
)]
async fn batch_create<T: Transport>(
    State(client): State<Client<T>>,
    CaseId(case_id): CaseId,
    ValidateOnly(validate_only): ValidateOnly,
    options: CallOptions,
    JsonBody { value, permit: _permit }: JsonBody<CreateTasks>,
) -> Result<Response, Problem> {
    let key = options.idempotency_key.clone();
    let message = convert::to_request(case_id, value, key, validate_only);
    let reply = client
        .call(Retry::of_creation(validate_only), options, message, |transport, request| async {
            task_service(transport).batch_create_tasks(request).await
        })
        .await?;
    let reply = reply.map(|response| response.tasks);
    Ok(match validate_only {
        false => (StatusCode::CREATED, reply.map(convert::to_tasks_body)).into_response(),
        true => reply.map(convert::to_checked_tasks_body).into_response(),
    })
}
