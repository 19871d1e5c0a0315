//! `DELETE /api/v2/cases/{case_id}`

use axum::{extract::State, response::Response};
use proto::cases::v1::DeleteCaseRequest;

use crate::{
    extract::{CallOptions, CaseId, IfMatch, IgnoredBody, NoParameters},
    problem::Problem,
    upstream::{Client, Retry, Transport, case_service},
};

/// Deletes a case with its tasks.
pub(crate) async fn delete<T: Transport>(
    State(client): State<Client<T>>,
    CaseId(case_id): CaseId,
    _: NoParameters,
    IfMatch(etag): IfMatch,
    options: CallOptions,
    _: IgnoredBody,
) -> Result<Response, Problem> {
    let message = DeleteCaseRequest { case_id, etag };
    let reply = client
        .call(Retry::IfUnreached, options, message, |transport, request| async {
            case_service(transport).delete_case(request).await
        })
        .await?;
    Ok(reply.map(|_| ()).without_content())
}
