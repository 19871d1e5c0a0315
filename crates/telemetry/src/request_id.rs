//! Request ids: taken from the caller or made, and seen in every answer and every line of log.

use http::{HeaderName, Request};
pub use tower_http::request_id::{
    MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};

/// The header, and the gRPC metadata, that carries a request's id.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over, in bytes.
pub const MAX_BYTES: usize = 128;

/// Takes an id away that can't be used, so that one is made in its place: one that is given
/// twice, is empty, is longer than [`MAX_BYTES`], or has anything but visible ASCII characters.
pub fn drop_unusable<B>(mut request: Request<B>) -> Request<B> {
    let mut ids = request.headers().get_all(HEADER).iter();
    let is_usable = match (ids.next(), ids.next()) {
        (Some(id), None) => {
            let id = id.as_bytes();
            (1..=MAX_BYTES).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
        }
        (None, _) => true,
        (Some(_), Some(_)) => false,
    };
    if !is_usable {
        request.headers_mut().remove(HEADER);
    }
    request
}

/// The id of a request that came through the layers of this module; empty for one that didn't.
#[must_use]
pub fn of(extensions: &http::Extensions) -> &str {
    extensions.get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(ids: &[&str]) -> bool {
        let request = ids.iter().fold(Request::builder(), |r, id| r.header(HEADER, *id));
        drop_unusable(request.body(()).unwrap()).headers().contains_key(HEADER)
    }

    #[test]
    fn keeps_one_usable_id_and_drops_all_else() {
        assert!(kept(&["a"]));
        assert!(kept(&["0af7651916cd43dd8448eb211c80319c/7:~"]));
        assert!(kept(&[&"a".repeat(MAX_BYTES)]));
        assert!(!kept(&[&"a".repeat(MAX_BYTES + 1)]));
        assert!(!kept(&[""]));
        assert!(!kept(&["a b"]));
        assert!(!kept(&["a\tb"]));
        assert!(!kept(&["a", "a"]));
    }
}
