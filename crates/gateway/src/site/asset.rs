//! Responses that are always the same.

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hasher as _},
    io::{Read as _, Write as _},
};

use axum::{
    body::{Body, Bytes},
    extract::FromRequestParts,
    response::{IntoResponse as _, Response},
};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{
        ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
        CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY,
    },
    request::Parts,
};

use super::{
    accept::{prefers_html, takes_gzip},
    html,
};
use crate::{
    in_flight::SharedBody,
    openapi::{Draft, Input, schema::Text},
};

/// How long caches may keep it. After a new release, an old one is of little harm for that time.
const CACHING: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The headers of a request for an asset.
#[derive(Clone, Debug)]
pub(super) struct AssetHeaders(pub(super) HeaderMap);

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
    plain: Representation,
    gzip: Option<Representation>,
    content_type: HeaderValue,
    /// What the page may load, if it is one.
    policy: Option<HeaderValue>,
}

/// The bytes of a body, and the entity tag that names them.
#[derive(Clone, Debug)]
struct Representation {
    body: Bytes,
    etag: HeaderValue,
}

impl Asset {
    /// Returns the asset with this JSON.
    pub(crate) fn json(body: String) -> Self {
        Self::new(body.into(), "application/json")
    }

    /// Returns the asset with this page, which loads nothing.
    pub(super) fn html(body: String) -> Self {
        Self::page(body, html::POLICY)
    }

    /// Returns the asset with this page, and what it may load.
    pub(super) fn page(body: String, policy: HeaderValue) -> Self {
        let page = Self::new(body.into(), "text/html; charset=utf-8");
        Self { policy: Some(policy), ..page }
    }

    /// Returns the asset with this body.
    pub(super) fn new(body: Bytes, content_type: &'static str) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(content_type.as_bytes());
        hasher.write(&body);
        let plain = Representation { body, etag: etag(&format!("{:016x}", hasher.finish())) };
        let content_type = HeaderValue::from_static(content_type);
        Self { plain, gzip: None, content_type, policy: None }
    }

    /// Returns the asset whose body is in this gzip file. One that can't be read makes an empty asset.
    pub(super) fn unpacked(gzip: Bytes, content_type: &'static str) -> Self {
        let mut body = Vec::new();
        if GzDecoder::new(&*gzip).read_to_end(&mut body).is_err() {
            body.clear();
        }
        Self::new(body.into(), content_type).with_gzip(gzip)
    }

    /// Returns whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.plain.body.is_empty()
    }

    /// Returns a text that is another one for another body, for URLs.
    pub(super) fn version(&self) -> &str {
        self.plain.etag.to_str().unwrap_or_default().trim_matches('"')
    }

    /// Adds the body as gzip, for clients that ask for it.
    pub(crate) fn compressed(self) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to memory can't fail.
        match encoder.write_all(&self.plain.body).and_then(|()| encoder.finish()) {
            Ok(gzip) => self.with_gzip(gzip.into()),
            Err(_) => self,
        }
    }

    /// Bytes that differ have entity tags that differ (RFC 9110, 8.8.3.3).
    fn with_gzip(mut self, body: Bytes) -> Self {
        let etag = etag(&format!("{}-gzip", self.version()));
        self.gzip = Some(Representation { body, etag });
        self
    }

    /// Returns the text.
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.plain.body).unwrap_or_default()
    }

    /// Returns the response to a request with these headers: 304 if the client has the asset.
    pub(super) fn response(&self, request: &AssetHeaders) -> Response {
        let gzip = self.gzip.as_ref().filter(|_| takes_gzip(&request.0));
        let Representation { body, etag } = gzip.unwrap_or(&self.plain);
        let mut response = if is_known(&request.0, etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = Body::from(body.clone()).into_response();
            response.headers_mut().insert(CONTENT_TYPE, self.content_type.clone());
            if gzip.is_some() {
                response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            response
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, etag.clone());
        headers.insert(CACHE_CONTROL, CACHING);
        if self.gzip.is_some() {
            headers.insert(VARY, HeaderValue::from(ACCEPT_ENCODING));
        }
        if let Some(policy) = &self.policy {
            headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        }
        response.extensions_mut().insert(SharedBody);
        response
    }
}

/// Returns an entity tag. Letters, digits and hyphens are valid in one.
fn etag(text: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{text}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Returns whether the client has what this entity tag names (RFC 9110, 13.1.2).
fn is_known(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let values = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.trim_start_matches("W/").as_bytes() == etag.as_bytes())
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
        response.headers_mut().append(VARY, HeaderValue::from(ACCEPT));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(http::HeaderName, &str)]) -> AssetHeaders {
        let value = |text: &str| HeaderValue::try_from(text).unwrap();
        AssetHeaders(values.iter().map(|(name, text)| (name.clone(), value(text))).collect())
    }

    #[test]
    fn a_client_that_has_the_asset_gets_no_body() {
        let asset = Asset::json("{}".to_owned());
        let etag = asset.plain.etag.to_str().unwrap();
        for (tags, expected) in [
            ("\"a\"", 200),
            (etag, 304),
            (&format!("\"a\", {etag}"), 304),
            (&format!("\"a\", W/{etag}"), 304),
            ("*", 304),
        ] {
            let response = asset.response(&headers(&[(IF_NONE_MATCH, tags)]));
            assert_eq!(response.status(), expected, "{tags:?}");
        }
        assert_eq!(asset.response(&headers(&[])).status(), 200);
        let other = Asset::json("[]".to_owned());
        assert_ne!(asset.plain.etag, other.plain.etag);
    }

    #[test]
    fn the_plain_body_and_the_gzip_have_entity_tags_of_their_own() {
        let asset = Asset::json("[]".to_owned()).compressed();
        let of = |request: &[(http::HeaderName, &str)]| asset.response(&headers(request));
        let gzip = of(&[(ACCEPT_ENCODING, "gzip")]);
        let etag = gzip.headers()[ETAG].to_str().unwrap().to_owned();
        assert_eq!(gzip.headers()[CONTENT_ENCODING], "gzip");
        assert_ne!(etag, of(&[]).headers()[ETAG]);
        for (request, status) in [
            (vec![(IF_NONE_MATCH, etag.as_str())], 200),
            (vec![(IF_NONE_MATCH, etag.as_str()), (ACCEPT_ENCODING, "gzip")], 304),
        ] {
            let response = of(&request);
            assert_eq!(response.status(), status, "{request:?}");
            assert!(!response.headers().contains_key(CONTENT_ENCODING), "{request:?}");
            assert_eq!(response.headers()[VARY], "accept-encoding");
        }
    }

    #[test]
    fn a_gzip_is_unpacked_for_clients_that_do_not_ask_for_it() {
        let gzip = Asset::json("{\"a\":1}".to_owned()).compressed().gzip.unwrap().body;
        let asset = Asset::unpacked(gzip, "application/json");
        assert_eq!(asset.text(), "{\"a\":1}");
        assert!(Asset::unpacked(Bytes::from_static(b"no gzip"), "application/json").is_empty());
    }
}
