//! `POST /api/v2/cases/{case_id}/tasks`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header::LOCATION};
use proto::tasks::v1::CreateTaskRequest;

use super::{
    convert,
    dto::{NewTask, OneCheckedTask, OneTask},
    example,
    one_task::with_task,
};
use crate::{
    context::Context,
    extract::{BaseUrl, CallOptions, CaseId, JsonBody, ValidateOnly},
    openapi::{Route, Scope},
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route of the call.
pub(super) fn route<T: Transport>() -> Route<Context<T>> {
    Route::new(Operation, create::<T>)
        .calls("/caseload.tasks.v1.TaskService/CreateTask", &[Scope::TasksWrite])
        .example(example::CREATE_TASK)
        .returns::<OneTask>(StatusCode::CREATED, "The task that was created.", example::TASK)
        .with_etag()
        .with_location()
        .leads_to(
            &["getTask", "updateTask", "deleteTask", "listTaskEvents"],
            &[("case_id", "$request.path.case_id"), ("task_id", "$response.body#/task/id")],
        )
        .returns::<OneCheckedTask>(
            StatusCode::OK,
            "The task as it would be created. Only with `validate_only`.",
            example::CHECKED_TASK,
        )
}

/// Creates a task.
///
/// In all else it is as a batch of one.
#[utoipa::path(
    impl_for = Operation,
    post,
    path = "/api/v2/cases/{case_id}/tasks",
    operation_id = "createTask"
)]
async fn create<T: Transport>(
    State(client): State<Client<T>>,
    CaseId(case_id): CaseId,
    ValidateOnly(validate_only): ValidateOnly,
    base_url: BaseUrl,
    options: CallOptions,
    JsonBody { value, permit: _permit }: JsonBody<NewTask>,
) -> Result<Response, Problem> {
    let task = Some(convert::to_new_task(value));
    let request_id = options.idempotency_key.clone().unwrap_or_default();
    let message = CreateTaskRequest { case_id, task, request_id, validate_only };
    let reply = client
        .call(Retry::of_creation(validate_only), options, message, |transport, request| async {
            task_service(transport).create_task(request).await
        })
        .await?;
    let reply = reply.map(|response| response.task.unwrap_or_default());
    if validate_only {
        return Ok(reply.map(convert::to_checked_task_body).into_response());
    }
    let location = [(LOCATION, format!("{}/{}", base_url.0, reply.message.id))];
    Ok((location, with_task(StatusCode::CREATED, reply)).into_response())
}
