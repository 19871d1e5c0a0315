//! `DELETE /api/v2/cases/{case_id}`

use axum::{extract::State, response::Response};
use http::StatusCode;
use proto::cases::v1::DeleteCaseRequest;

use crate::{
    context::Context,
    extract::{CallOptions, CaseId, IfMatch, IgnoredBody, NoParameters},
    openapi::{Route, Scope},
    problem::Problem,
    upstream::{Client, Retry, Transport, case_service},
};

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route of the call.
pub(super) fn route<T: Transport>() -> Route<Context<T>> {
    Route::new(Operation, delete::<T>)
        .calls("/caseload.cases.v1.CaseService/DeleteCase", &[Scope::CasesWrite])
        .returns_nothing(StatusCode::NO_CONTENT, "The case was deleted, with its tasks.")
}

/// Deletes a case.
///
/// All of its tasks are deleted with it: all of it or nothing.
#[utoipa::path(
    impl_for = Operation,
    delete,
    path = "/api/v2/cases/{case_id}",
    operation_id = "deleteCase"
)]
async fn delete<T: Transport>(
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
