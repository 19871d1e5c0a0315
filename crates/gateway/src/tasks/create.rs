//! `POST /api/v2/cases/{case_id}/tasks`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::header::LOCATION;
use proto::tasks::v1::CreateTaskRequest;

use super::{convert, dto::NewTask, one_task::with_task};
use crate::{
    extract::{BaseUrl, CallOptions, CaseId, JsonBody, ValidateOnly},
    problem::Problem,
    response::status_of_creation,
    upstream::{Client, Retry, Transport, task_service},
};

/// Creates a task in a case.
pub(crate) async fn create<T: Transport>(
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
    let status = status_of_creation(validate_only);
    let created = reply.message.task.as_ref().filter(|_| !validate_only);
    let location = created.map(|task| [(LOCATION, format!("{}/{}", base_url.0, task.id))]);
    Ok((location, with_task(status, reply.map(|response| response.task))).into_response())
}
