//! The headers of responses.

use http::{
    HeaderName,
    header::{CACHE_CONTROL, ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE},
};
use proto::wire::{
    self,
    header::{IDEMPOTENCY_REPLAYED, RATELIMIT, RATELIMIT_POLICY, REQUEST_ID},
};
use serde_json::json;
use utoipa::{
    PartialSchema as _,
    openapi::{
        header::{Header, HeaderBuilder},
        schema::Ref,
    },
};

use super::schema::{Link, RequestId, Text};

/// Returns every header that an operation refers to, by its name.
pub(super) fn components() -> Vec<(String, Header)> {
    let text = |name: &HeaderName, description: &str, example: &str| {
        let header = HeaderBuilder::new().schema(Some(Text::schema()));
        (name.clone(), header.description(Some(description)).example(Some(json!(example))))
    };
    let headers = [
        text(
            &CACHE_CONTROL,
            "How long a cache may keep the response. Every other response has `no-store`.",
            "public, max-age=300",
        ),
        text(
            &ETAG,
            "The entity tag: it names the state that the response describes, for `If-Match`.",
            "\"1a79a4d60de6718e\"",
        ),
        text(
            &IDEMPOTENCY_REPLAYED,
            "`true` if this repeats the response to an earlier request with the same idempotency key.",
            "true",
        ),
        text(
            &RATELIMIT,
            "How many calls are left, and in how many seconds the next one is allowed, if none is. Present if \
             the installation limits rates.",
            "\"key\";r=499",
        ),
        text(
            &RATELIMIT_POLICY,
            "How many calls are allowed at once, and after how many seconds all of them are again. Present if \
             the installation limits rates.",
            "\"key\";q=500;w=5",
        ),
        text(&RETRY_AFTER, "After how many seconds the request may be repeated.", "1"),
        text(&WWW_AUTHENTICATE, "How to authenticate.", "Bearer"),
        (
            LOCATION,
            HeaderBuilder::new()
                .schema(Some(Link::schema()))
                .description(Some("The URL of what was created, or of what to get instead.")),
        ),
        (
            REQUEST_ID.clone(),
            HeaderBuilder::new().schema(Some(RequestId::schema())).description(Some(
                "The id of the request, as in the logs of the service: that of the request, if it has \
                 a usable one.",
            )),
        ),
    ];
    headers.map(|(name, header)| (wire::written(&name), header.build())).into()
}

/// Returns the reference to a header: its name, and where it is described.
pub(super) fn reference(name: &HeaderName) -> (String, Ref) {
    let name = wire::written(name);
    let location = format!("#/components/headers/{name}");
    (name, Ref::new(location))
}
