//! `POST /api/v2/cases`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header::LOCATION};

use super::{
    convert,
    dto::{CheckedCase, CreatedCase, NewCase},
    example,
};
use crate::{
    context::Context,
    extract::{BaseUrl, CallOptions, JsonBody, ValidateOnly},
    openapi::{Route, Scope},
    problem::Problem,
    response::etag_header,
    upstream::{Client, Retry, Transport, case_service},
};

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route of the call.
pub(super) fn route<T: Transport>() -> Route<Context<T>> {
    Route::new(Operation, create::<T>)
        .calls("/caseload.cases.v1.CaseService/CreateCase", &[Scope::CasesWrite])
        .example(example::CREATE_CASE)
        .returns::<CreatedCase>(
            StatusCode::CREATED,
            "The case that was created, with its tasks.",
            example::CREATED_CASE,
        )
        .with_etag()
        .with_location()
        .leads_to(
            &["getCase", "updateCase", "deleteCase", "listTasks", "createTask", "batchCreateTasks"],
            &[("case_id", "$response.body#/case_id")],
        )
        .returns::<CheckedCase>(
            StatusCode::OK,
            "The case as it would be created. Only with `validate_only`.",
            example::CHECKED_CASE,
        )
}

/// Creates a case.
///
/// Creates a case, possibly with tasks: all of it or nothing.
#[utoipa::path(
    impl_for = Operation,
    post,
    path = "/api/v2/cases",
    operation_id = "createCase"
)]
async fn create<T: Transport>(
    State(client): State<Client<T>>,
    ValidateOnly(validate_only): ValidateOnly,
    base_url: BaseUrl,
    options: CallOptions,
    JsonBody { value, permit: _permit }: JsonBody<NewCase>,
) -> Result<Response, Problem> {
    let message = convert::to_request(value, options.idempotency_key.clone(), validate_only);
    let reply = client
        .call(Retry::of_creation(validate_only), options, message, |transport, request| async {
            case_service(transport).create_case(request).await
        })
        .await?;
    if validate_only {
        return Ok(reply.map(convert::to_checked_body).into_response());
    }
    let case = reply.message.case.as_ref();
    let etag = case.and_then(|case| etag_header(&case.etag));
    let location = case.map(|case| [(LOCATION, format!("{}/{}", base_url.0, case.id))]);
    let body = reply.map(convert::to_created_body);
    Ok((StatusCode::CREATED, location, etag, body).into_response())
}
