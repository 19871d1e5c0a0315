//! `GET /api/v2/cases/{case_id}`

use axum::{extract::State, response::Response};
use proto::cases::v1::GetCaseRequest;

use super::one_case::with_case;
use crate::{
    extract::{CallOptions, CaseId, NoParameters},
    problem::Problem,
    upstream::{Client, Retry, Transport, case_service},
};

/// Returns a case.
pub(crate) async fn get<T: Transport>(
    State(client): State<Client<T>>,
    CaseId(case_id): CaseId,
    _: NoParameters,
    options: CallOptions,
) -> Result<Response, Problem> {
    let message = GetCaseRequest { case_id };
    let reply = client
        .call(Retry::Always, options, message, |transport, request| async {
            case_service(transport).get_case(request).await
        })
        .await?;
    Ok(with_case(reply.map(|response| response.case)))
}
