//! `GET /api/v2/cases/{case_id}`

use axum::{extract::State, response::Response};
use http::StatusCode;
use proto::cases::v1::GetCaseRequest;

use super::{dto::Case, example, one_case::with_case};
use crate::{
    context::Context,
    extract::{CallOptions, CaseId, NoParameters},
    openapi::{Route, Scope},
    problem::Problem,
    upstream::{Client, Retry, Transport, case_service},
};

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route of the call.
pub(super) fn route<T: Transport>() -> Route<Context<T>> {
    Route::new(Operation, get::<T>)
        .calls("/caseload.cases.v1.CaseService/GetCase", &[Scope::CasesRead])
        .returns::<Case>(StatusCode::OK, "The case.", example::CASE)
        .with_etag()
}

/// Returns a case.
///
/// Its tasks have a list of their own.
#[utoipa::path(
    impl_for = Operation,
    get,
    path = "/api/v2/cases/{case_id}",
    operation_id = "getCase"
)]
async fn get<T: Transport>(
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
