//! Request ids: accepted from the caller or generated, and in every response and log line.

use std::task::{Context, Poll};

use http::{Extensions, Request};
use proto::wire::{header::REQUEST_ID, limits::REQUEST_ID_BYTES};
use tower::Service;
use tower_http::request_id::RequestId;

/// Returns the id of a request that passed the layers of this crate; an empty string for others.
#[must_use]
pub fn of(extensions: &Extensions) -> &str {
    let id = extensions.get::<RequestId>();
    id.and_then(|id| id.header_value().to_str().ok()).unwrap_or_default()
}

/// Removes an unusable request id from requests: one that is repeated, is empty, is longer than 128
/// bytes, or has anything but visible ASCII characters.
#[derive(Clone, Debug)]
pub struct DropUnusableId<S> {
    inner: S,
}

impl<S> DropUnusableId<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for DropUnusableId<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.inner.call(drop_unusable(request))
    }
}

fn drop_unusable<B>(mut request: Request<B>) -> Request<B> {
    let mut ids = request.headers().get_all(&REQUEST_ID).iter();
    let is_usable = match (ids.next(), ids.next()) {
        (Some(id), None) => {
            let id = id.as_bytes();
            (1..=REQUEST_ID_BYTES).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
        }
        (None, _) => true,
        (Some(_), Some(_)) => false,
    };
    if !is_usable {
        request.headers_mut().remove(&REQUEST_ID);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_kept(ids: &[&str]) -> bool {
        let request = ids.iter().fold(Request::builder(), |r, id| r.header(&REQUEST_ID, *id));
        drop_unusable(request.body(()).unwrap()).headers().contains_key(&REQUEST_ID)
    }

    #[test]
    fn one_usable_id_is_kept_and_all_others_are_dropped() {
        assert!(is_kept(&["a"]));
        assert!(is_kept(&["0af7651916cd43dd8448eb211c80319c/7:~"]));
        assert!(is_kept(&[&"a".repeat(REQUEST_ID_BYTES)]));
        assert!(!is_kept(&[&"a".repeat(REQUEST_ID_BYTES + 1)]));
        assert!(!is_kept(&[""]));
        assert!(!is_kept(&["a b"]));
        assert!(!is_kept(&["a\tb"]));
        assert!(!is_kept(&["a", "a"]));
    }
}
