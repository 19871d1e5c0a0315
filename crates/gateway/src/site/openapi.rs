//! `GET /openapi.json`

use axum::response::Response;
use http::StatusCode;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::asset::{Asset, AssetHeaders};
use crate::openapi::{Route, schema};

schema::values! {
    /// An OpenAPI document.
    OpenApiDocument = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("An OpenAPI document."))
        .property("openapi", schema::one_of(["3.1.0"]))
        .required("openapi");
}

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route.
pub(super) fn route<S: Clone + Send + Sync + 'static>(
    document: fn() -> &'static Asset,
) -> Route<S> {
    let handler = async move |headers: AssetHeaders| openapi_response(document, &headers);
    Route::new(Operation, handler)
        .returns::<OpenApiDocument>(StatusCode::OK, "The document.", r#"{"openapi":"3.1.0"}"#)
        .cached()
}

/// Returns the OpenAPI document of this service.
///
/// It is of this version of the service, and describes everything that it serves over REST.
#[utoipa::path(
    impl_for = Operation,
    get,
    path = "/openapi.json",
    operation_id = "getOpenapi"
)]
fn openapi_response(document: fn() -> &'static Asset, headers: &AssetHeaders) -> Response {
    document().response(headers)
}
