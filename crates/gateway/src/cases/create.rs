//! `POST /api/v2/cases`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::header::LOCATION;

use super::{convert, dto::NewCase};
use crate::{
    extract::{BaseUrl, CallOptions, JsonBody, ValidateOnly},
    problem::Problem,
    response::{etag_header, status_of_creation},
    upstream::{Client, Retry, Transport, case_service},
};

/// Creates a case, possibly with tasks: all of it or nothing.
pub(crate) async fn create<T: Transport>(
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
    let case = reply.message.case.as_ref();
    let etag = case.and_then(|case| etag_header(&case.etag));
    let created = case.filter(|_| !validate_only);
    let location = created.map(|case| [(LOCATION, format!("{}/{}", base_url.0, case.id))]);
    let body = reply.map(convert::to_created_body);
    Ok((status_of_creation(validate_only), location, etag, body).into_response())
}
