//! What pages may send to the gateway, and read of its responses.

use std::collections::BTreeSet;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{
    HeaderName, Method,
    header::{ACCEPT, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, ORIGIN},
};
use serde_json::Value;
use serving::{BrowserOptions, CorsRules};
use tower::{Layer as _, Service as _};

/// Headers of every request, which the document of an API does not list as parameters (OpenAPI 3.1, 4.8.12).
const OF_HTTP: [HeaderName; 3] = [ACCEPT, AUTHORIZATION, CONTENT_TYPE];

/// What answers preflight requests, and lets pages read responses.
#[derive(Clone)]
pub(crate) struct Cors {
    options: BrowserOptions,
    rules: CorsRules,
}

impl Cors {
    /// Returns it for pages that may send and read what the OpenAPI document says that there is.
    pub(crate) fn new(options: BrowserOptions, document: &str) -> Self {
        Self { options, rules: rules(document) }
    }
}

/// Applies the rules to a request. One of the method OPTIONS that no browser has sent ahead of another is an
/// ordinary request.
pub(crate) async fn apply(State(cors): State<Cors>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_preflight =
        headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() == Method::OPTIONS && !is_preflight {
        return next.run(request).await;
    }
    let Ok(response) = cors.options.cors(cors.rules).layer(next).call(request).await;
    response
}

/// Returns what pages may send and read: what the OpenAPI document says that there is.
fn rules(document: &str) -> CorsRules {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let names = |object: &Value| -> Vec<String> {
        object.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    let items = || document["paths"].as_object().into_iter().flat_map(|paths| paths.values());
    let methods: BTreeSet<String> =
        items().flat_map(names).map(|method| method.to_uppercase()).collect();
    let operations = items().filter_map(Value::as_object).flat_map(|item| item.values());
    let parameters = operations.filter_map(|one| one["parameters"].as_array()).flatten();
    let schemes = document["components"]["securitySchemes"].as_object();
    let sent = parameters.chain(schemes.into_iter().flat_map(|schemes| schemes.values()));
    let sent = sent.filter(|one| one["in"] == "header").filter_map(|one| one["name"].as_str());
    let headers = |names: Vec<String>| -> BTreeSet<String> {
        names.into_iter().map(|name| name.to_lowercase()).collect()
    };
    let allowed = headers(sent.map(str::to_owned).collect());
    let exposed = headers(names(&document["components"]["headers"]));
    let parse = |names: BTreeSet<String>| names.into_iter().filter_map(|name| name.parse().ok());
    CorsRules {
        methods: methods.iter().filter_map(|method| method.parse::<Method>().ok()).collect(),
        allowed: OF_HTTP.into_iter().chain(parse(allowed)).collect(),
        exposed: parse(exposed).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proto::wire::header;

    use super::*;

    #[test]
    fn pages_may_send_and_read_what_the_document_lists() {
        let CorsRules { methods, allowed, exposed } = rules(crate::openapi_document());
        assert_eq!(methods, [Method::DELETE, Method::GET, Method::POST, Method::PUT]);
        for name in [
            AUTHORIZATION,
            CONTENT_TYPE,
            http::header::IF_MATCH,
            http::header::IF_NONE_MATCH,
            header::IDEMPOTENCY_KEY.clone(),
            header::REQUEST_ID.clone(),
            header::REQUEST_TIMEOUT.clone(),
            header::TRACEPARENT.clone(),
            header::USER_TOKEN.clone(),
        ] {
            assert!(allowed.contains(&name), "{name}: {allowed:?}");
        }
        for name in [
            http::header::ETAG,
            http::header::LOCATION,
            http::header::RETRY_AFTER,
            header::IDEMPOTENCY_REPLAYED.clone(),
            header::RATELIMIT.clone(),
            header::RATELIMIT_POLICY.clone(),
            header::REQUEST_ID.clone(),
        ] {
            assert!(exposed.contains(&name), "{name}: {exposed:?}");
        }
    }
}
