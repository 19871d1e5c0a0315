//! `POST /api/v2/cases/{case_id}/tasks/batch`

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use proto::tasks::v1::task_service_client::TaskServiceClient;

use super::{convert, dto::CreateTasks};
use crate::{
    extract::{CallOptions, CaseId, JsonBody},
    problem::Problem,
    upstream::{Client, Retry, Transport},
};

/// Creates up to 25 tasks in a case: all or none.
pub(crate) async fn batch_create<T: Transport>(
    State(client): State<Client<T>>,
    CaseId(case_id): CaseId,
    options: CallOptions,
    JsonBody { value, permit: _permit }: JsonBody<CreateTasks>,
) -> Result<Response, Problem> {
    let message = convert::to_request(case_id, value, options.idempotency_key.clone());
    let reply = client
        .call(Retry::WithKey, options, message, |transport, request| async {
            TaskServiceClient::new(transport).batch_create_tasks(request).await
        })
        .await?;
    Ok((StatusCode::CREATED, reply.map(convert::to_body)).into_response())
}
