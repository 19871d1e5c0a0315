//! `PUT /api/v2/cases/{case_id}`

use axum::{extract::State, response::Response};
use http::StatusCode;
use proto::cases::v1::UpdateCaseRequest;

use super::{
    convert,
    dto::{Case, UpdateCase},
    example,
    one_case::with_case,
};
use crate::{
    context::Context,
    extract::{CallOptions, CaseId, IfMatch, JsonBody, ValidateOnly},
    openapi::{Route, Scope},
    problem::Problem,
    upstream::{Client, Retry, Transport, case_service},
};

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route of the call.
pub(super) fn route<T: Transport>() -> Route<Context<T>> {
    Route::new(Operation, update::<T>)
        .calls("/caseload.cases.v1.CaseService/UpdateCase", &[Scope::CasesWrite])
        .example(example::UPDATE_CASE)
        .returns::<Case>(
            StatusCode::OK,
            "The case as it is now; with `validate_only` as it would be.",
            example::UPDATED_CASE,
        )
        .with_etag()
}

/// Changes a case.
///
/// The members that the request has are set, and no others. A case that already is as it should be stays as it
/// is.
#[utoipa::path(
    impl_for = Operation,
    put,
    path = "/api/v2/cases/{case_id}",
    operation_id = "updateCase"
)]
async fn update<T: Transport>(
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
