//! What the gateway says about itself: an index, the OpenAPI document, and what problems mean. Nobody
//! needs a key for it.

mod asset;
mod html;
mod index;
mod openapi;
mod problems;

use crate::openapi::Route;

pub(crate) use asset::Asset;

/// Returns the routes. `document` returns the OpenAPI document, of which they are a part.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(
    document: fn() -> &'static Asset,
) -> [Route<S>; 4] {
    [index::route(), openapi::route(document), problems::route_of_all(), problems::route_of_one()]
}
