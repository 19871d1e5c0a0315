//! What the gateway says about itself: an index, the OpenAPI document, an interactive reference, and what
//! problems mean. Nobody needs a key for it.

mod accept;
mod asset;
mod docs;
mod html;
mod index;
mod openapi;
mod problems;

use crate::{openapi::Route, options::Docs};

pub(crate) use asset::Asset;
pub(crate) use docs::prepare as prepare_docs;

/// Returns the routes. `document` returns the OpenAPI document, of which they are a part.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(
    document: fn() -> &'static Asset,
    docs: Docs,
) -> Vec<Route<S>> {
    let mut routes = vec![
        index::route(docs),
        openapi::route(document),
        problems::route_of_all(),
        problems::route_of_one(),
    ];
    if docs == Docs::On {
        routes.extend(docs::routes());
    }
    routes
}
