//! `POST /api/v2/cases/{case_id}/tasks/batch`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};

use super::{convert, dto::CreateTasks};
use crate::{
    extract::{CallOptions, CaseId, JsonBody, ValidateOnly},
    problem::Problem,
    response::status_of_creation,
    upstream::{Client, Retry, Transport, task_service},
};

/// Creates up to 25 tasks in a case: all or none.
pub(crate) async fn batch_create<T: Transport>(
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
    let reply = reply.map(|response| convert::to_tasks_body(response.tasks));
    Ok((status_of_creation(validate_only), reply).into_response())
}
