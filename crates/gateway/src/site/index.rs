//! `GET /`

use axum::response::{IntoResponse as _, Redirect, Response};
use http::{
    HeaderValue, StatusCode,
    header::{ACCEPT, VARY},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    accept::prefers_html,
    asset::{Asset, AssetHeaders},
    docs,
};
use crate::{
    openapi::{Route, schema::Link},
    options::Docs,
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
    /// The interactive reference, if the gateway serves it.
    #[schema(value_type = Link, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    docs: Option<&'static str>,
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
        docs: Some(docs::PATH),
        openapi: "/openapi.json",
        problems: meaning::PATH,
        live: "/livez",
        ready: "/readyz",
    },
};

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route.
pub(super) fn route<S: Clone + Send + Sync + 'static>(docs: Docs) -> Route<S> {
    let example = json(&INDEX);
    let index = match docs {
        Docs::On => example.clone(),
        Docs::Off => json(&Index { links: Links { docs: None, ..INDEX.links }, ..INDEX }),
    };
    let index = Asset::json(index);
    let handler = async move |headers: AssetHeaders| index_response(&index, docs, &headers);
    Route::new(Operation, handler)
        .returns::<Index>(StatusCode::OK, "Links to what there is.", &example)
        .cached()
        .returns_nothing(
            StatusCode::SEE_OTHER,
            "The client prefers HTML, as browsers do, and the gateway serves the interactive reference.",
        )
        .with_location()
}

/// Texts can always be written.
fn json(index: &Index) -> String {
    serde_json::to_string(index).unwrap_or_default()
}

/// Returns links to what the service says about itself.
///
/// A browser is sent on to the interactive reference, unless the gateway serves none.
#[utoipa::path(impl_for = Operation, get, path = "/", operation_id = "getIndex")]
fn index_response(index: &Asset, docs: Docs, headers: &AssetHeaders) -> Response {
    let mut response = match docs {
        Docs::Off => return index.response(headers),
        Docs::On if prefers_html(&headers.0) => Redirect::to(docs::PATH).into_response(),
        Docs::On => index.response(headers),
    };
    response.headers_mut().append(VARY, HeaderValue::from(ACCEPT));
    response
}
