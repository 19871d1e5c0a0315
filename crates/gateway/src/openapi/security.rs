//! How callers say who they are.

use proto::wire::{self, header::USER_TOKEN as USER_TOKEN_HEADER};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

/// The name of the scheme with the header `Authorization`.
pub(super) const BEARER: &str = "bearer";

/// The name of the scheme with the header `X-User-Token`.
pub(super) const USER_TOKEN: &str = "userToken";

/// Returns both schemes, by their names. A request has one of them.
pub(super) fn schemes() -> [(&'static str, SecurityScheme); 2] {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "An API key, with the scope that the operation names. A request with two keys is rejected.",
    ));
    let bearer = bearer.bearer_format("`cl_` and 43 letters and digits").build();
    let user_token = ApiKeyValue::with_description(
        wire::written(&USER_TOKEN_HEADER),
        "The same API key, in a header of its own.".to_owned(),
    );
    [
        (BEARER, SecurityScheme::Http(bearer)),
        (USER_TOKEN, SecurityScheme::ApiKey(ApiKey::Header(user_token))),
    ]
}
