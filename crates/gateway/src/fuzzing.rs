//! What `fuzz/` feeds: each takes any bytes, and panics where something is wrong.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    body, convert,
    dto::{CreateTasks, Object},
    headers::Terms,
};

/// A body, to be read as JSON and turned into a message. One that is refused is refused with a
/// reason, briefly.
pub fn json_body(bytes: &[u8]) {
    match serde_json::from_slice::<Object<CreateTasks>>(bytes) {
        Ok(Object(body)) => {
            let tasks = body.tasks.len();
            assert_eq!(convert::to_request(1, body, String::new()).tasks.len(), tasks);
        }
        Err(error) => {
            let items = body::fault::<CreateTasks>(bytes, &error).into_items();
            assert_eq!(items.len(), 1);
            assert!(items.iter().all(|item| !item.details.is_empty()));
            assert!(items.iter().all(|item| item.message.len() < 1024));
        }
    }
}

/// The value of an `Idempotency-Key`. One that is taken is taken as it is.
pub fn idempotency_key(bytes: &[u8]) {
    if let Some(terms) = terms("idempotency-key", bytes) {
        assert_eq!(terms.request_id.as_bytes(), bytes);
        assert!((1..=255).contains(&bytes.len()));
    }
}

/// The value of a `Request-Timeout`. It only shortens.
pub fn request_timeout(bytes: &[u8]) {
    if let Some(terms) = terms("request-timeout", bytes) {
        assert!(terms.timeout > Duration::ZERO && terms.timeout <= LONGEST);
    }
}

const LONGEST: Duration = Duration::from_secs(10);

fn terms(name: &'static str, value: &[u8]) -> Option<Terms> {
    let value = HeaderValue::from_bytes(value).ok()?;
    let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value)]);
    Terms::of(&headers, LONGEST).ok()
}
