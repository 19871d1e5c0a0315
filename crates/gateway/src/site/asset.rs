//! Responses that are always the same.

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hasher as _},
};

use axum::{
    body::{Body, Bytes},
    extract::FromRequestParts,
    response::{IntoResponse as _, Response},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{
        ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
        REFERRER_POLICY, VARY,
    },
    request::Parts,
};

use super::html;
use crate::{
    in_flight::SharedBody,
    openapi::{Draft, Input, schema::Text},
};

/// How long caches may keep it. After a new release, an old one is of little harm for that time.
const CACHING: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The headers of a request for an asset.
#[derive(Clone, Debug)]
pub(super) struct AssetHeaders(HeaderMap);

impl<S: Send + Sync> FromRequestParts<S> for AssetHeaders {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.headers.clone()))
    }
}

impl Input for AssetHeaders {
    fn describe(draft: &mut Draft) {
        draft.header::<Text>(
            &IF_NONE_MATCH,
            "The entity tag of what the client has. If it is still the same, the response is 304.",
        );
    }
}

/// The body of a response that is always the same, made once.
#[derive(Clone, Debug)]
pub(crate) struct Asset {
    body: Bytes,
    content_type: HeaderValue,
    etag: HeaderValue,
}

impl Asset {
    /// Returns the asset with this JSON.
    pub(crate) fn json(body: String) -> Self {
        Self::new(body, "application/json")
    }

    /// Returns the asset with this page.
    pub(super) fn html(body: String) -> Self {
        Self::new(body, "text/html; charset=utf-8")
    }

    fn new(body: String, content_type: &'static str) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(content_type.as_bytes());
        hasher.write(body.as_bytes());
        let etag = format!("\"{:016x}\"", hasher.finish());
        Self {
            body: body.into(),
            content_type: HeaderValue::from_static(content_type),
            // Hexadecimal digits are a valid value.
            etag: HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"\"")),
        }
    }

    /// Returns the text.
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap_or_default()
    }

    /// Returns the response to a request with these headers: 304 if the client has the asset.
    pub(super) fn response(&self, request: &AssetHeaders) -> Response {
        let mut response = if self.is_known(&request.0) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = Body::from(self.body.clone()).into_response();
            response.headers_mut().insert(CONTENT_TYPE, self.content_type.clone());
            response
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, self.etag.clone());
        headers.insert(CACHE_CONTROL, CACHING);
        if self.content_type.as_bytes().starts_with(b"text/html") {
            headers.insert(CONTENT_SECURITY_POLICY, html::POLICY);
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        }
        response.extensions_mut().insert(SharedBody);
        response
    }

    /// Returns whether the client has the asset (RFC 9110, 13.1.2).
    fn is_known(&self, request: &HeaderMap) -> bool {
        let values = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
        tags.any(|tag| {
            tag == "*" || tag.trim_start_matches("W/").as_bytes() == self.etag.as_bytes()
        })
    }
}

/// The same in two forms: for programs, and for people.
#[derive(Clone, Debug)]
pub(super) struct Negotiated {
    pub(super) json: Asset,
    pub(super) html: Asset,
}

impl Negotiated {
    /// Returns the response in the form that the client prefers.
    pub(super) fn response(&self, request: &AssetHeaders) -> Response {
        let asset = if prefers_html(&request.0) { &self.html } else { &self.json };
        let mut response = asset.response(request);
        response.headers_mut().insert(VARY, HeaderValue::from(ACCEPT));
        response
    }
}

/// Returns whether a client asks for HTML by name, and for JSON not as much. Browsers do; programs that
/// take anything get JSON.
pub(super) fn prefers_html(request: &HeaderMap) -> bool {
    let accepted: Vec<&str> = request
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let weight = |essence: &str| {
        let range = accepted.iter().find_map(|range| {
            let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
            name.trim().eq_ignore_ascii_case(essence).then_some(parameters)
        });
        range.map_or(0.0, |parameters| {
            let mut parameters = parameters.split(';').map(str::trim);
            let weight = parameters.find_map(|parameter| parameter.strip_prefix("q="));
            weight.map_or(1.0, |weight| weight.parse::<f32>().unwrap_or(0.0))
        })
    };
    let html = weight("text/html");
    html > 0.0 && html >= weight("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: http::HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn browsers_get_html_and_programs_json() {
        for (accept, is_html) in [
            (&[][..], false),
            (&["*/*"], false),
            (&["application/json"], false),
            (&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], true),
            (&["application/json", "TEXT/HTML"], true),
            (&["application/json, text/html;q=0.9"], false),
            (&["text/html;level=1;q=0.5, application/json;q=0.4"], true),
            (&["text/html;q=0"], false),
            (&["text/html;q=many"], false),
        ] {
            assert_eq!(prefers_html(&headers(ACCEPT, accept)), is_html, "{accept:?}");
        }
    }

    #[test]
    fn a_client_that_has_the_asset_gets_no_body() {
        let asset = Asset::json("{}".to_owned());
        let status = |tags: &[&'static str]| {
            asset.response(&AssetHeaders(headers(IF_NONE_MATCH, tags))).status().as_u16()
        };
        let etag: &'static str = asset.etag.to_str().unwrap().to_owned().leak();
        let weak: &'static str = format!("\"a\", W/{etag}").leak();
        for (tags, expected) in [
            (&[][..], 200),
            (&["\"a\""], 200),
            (&[etag], 304),
            (&["\"a\"", etag], 304),
            (&[weak], 304),
            (&["*"], 304),
        ] {
            assert_eq!(status(tags), expected, "{tags:?}");
        }
        let other = Asset::json("[]".to_owned());
        assert_ne!(asset.etag, other.etag);
    }
}
