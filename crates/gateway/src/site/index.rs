//! `GET /`

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::asset::{Asset, AssetHeaders};
use crate::{
    openapi::{Route, schema::Link},
    problem::meaning,
};

/// What the gateway serves.
#[derive(Serialize, ToSchema)]
struct Index {
    /// The name of the service.
    service: &'static str,
    /// Its version.
    version: &'static str,
    /// Where to go on.
    links: Links,
}

/// Where to go on, relative to this.
#[derive(Serialize, ToSchema)]
struct Links {
    /// The OpenAPI document.
    #[schema(value_type = Link)]
    openapi: &'static str,
    /// What problems mean.
    #[schema(value_type = Link)]
    problems: &'static str,
    /// Whether the gateway runs.
    #[schema(value_type = Link)]
    live: &'static str,
    /// Whether the gateway is ready.
    #[schema(value_type = Link)]
    ready: &'static str,
}

const INDEX: Index = Index {
    service: "Caseload",
    version: env!("CARGO_PKG_VERSION"),
    links: Links {
        openapi: "/openapi.json",
        problems: meaning::PATH,
        live: "/livez",
        ready: "/readyz",
    },
};

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route.
pub(super) fn route<S: Clone + Send + Sync + 'static>() -> Route<S> {
    // Texts can always be written.
    let json = serde_json::to_string(&INDEX).unwrap_or_default();
    let index = Asset::json(json.clone());
    let handler = async move |headers: AssetHeaders| index_response(&index, &headers);
    Route::new(Operation, handler)
        .returns::<Index>(StatusCode::OK, "Links to what there is.", &json)
        .cached()
}

/// Returns links to what the service says about itself.
#[utoipa::path(impl_for = Operation, get, path = "/", operation_id = "getIndex")]
fn index_response(index: &Asset, headers: &AssetHeaders) -> Response {
    index.response(headers)
}
