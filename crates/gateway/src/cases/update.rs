//! `PUT /api/v2/cases/{case_id}`

use axum::{extract::State, response::Response};
use proto::cases::v1::UpdateCaseRequest;

use super::{convert, dto::UpdateCase, one_case::with_case};
use crate::{
    extract::{CallOptions, CaseId, IfMatch, JsonBody, ValidateOnly},
    problem::Problem,
    upstream::{Client, Retry, Transport, case_service},
};

/// Changes a case.
pub(crate) async fn update<T: Transport>(
    State(client): State<Client<T>>,
    CaseId(case_id): CaseId,
    ValidateOnly(validate_only): ValidateOnly,
    IfMatch(etag): IfMatch,
    options: CallOptions,
    JsonBody { value, permit: _permit }: JsonBody<UpdateCase>,
) -> Result<Response, Problem> {
    let case = Some(convert::to_update(case_id, value, etag));
    let message = UpdateCaseRequest { case, validate_only };
    let reply = client
        .call(Retry::of_update(validate_only), options, message, |transport, request| async {
            case_service(transport).update_case(request).await
        })
        .await?;
    Ok(with_case(reply.map(|response| response.case)))
}
