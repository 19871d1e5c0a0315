//! `GET /api/v2/idempotency-keys/{key}`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use proto::tasks::v1::GetIdempotencyRecordRequest;

use super::{convert, dto::IdempotencyKey, example};
use crate::{
    context::Context,
    extract::{CallOptions, KeyInPath, NoParameters},
    openapi::{Route, Scope},
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route of the call.
pub(super) fn route<T: Transport>() -> Route<Context<T>> {
    Route::new(Operation, get_idempotency_record::<T>)
        .calls(
            "/caseload.tasks.v1.TaskService/GetIdempotencyRecord",
            &[Scope::TasksWrite, Scope::CasesWrite],
        )
        .returns::<IdempotencyKey>(
            StatusCode::OK,
            "What the request created.",
            example::IDEMPOTENCY_KEY,
        )
}

/// Returns what became of a request.
///
/// Returns what a request with this idempotency key created. It is final that nothing was created (404) only once
/// the deadline of that request has passed.
#[utoipa::path(
    impl_for = Operation,
    get,
    path = "/api/v2/idempotency-keys/{key}",
    operation_id = "getIdempotencyRecord"
)]
async fn get_idempotency_record<T: Transport>(
    State(client): State<Client<T>>,
    KeyInPath(request_id): KeyInPath,
    _: NoParameters,
    options: CallOptions,
) -> Result<Response, Problem> {
    let message = GetIdempotencyRecordRequest { request_id };
    let reply = client
        .call(Retry::Always, options, message, |transport, request| async {
            task_service(transport).get_idempotency_record(request).await
        })
        .await?;
    let reply = reply.map(|response| response.record.unwrap_or_default());
    Ok(reply.map(convert::to_key_body).into_response())
}
