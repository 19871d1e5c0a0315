//! `GET /api/v2/idempotency-keys/{key}`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use proto::tasks::v1::GetIdempotencyRecordRequest;

use super::convert;
use crate::{
    extract::{CallOptions, KeyInPath, NoParameters},
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// Returns what a request with an idempotency key created.
pub(crate) async fn get_idempotency_record<T: Transport>(
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
