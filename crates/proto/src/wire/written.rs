//! How the names of headers are written for people.

use http::{
    HeaderName,
    header::{ETAG, WWW_AUTHENTICATE},
};

use super::header::{RATELIMIT, RATELIMIT_POLICY, TRACEPARENT, TRACESTATE};

/// Returns the name of a header as documents write it: `idempotency-key` is `Idempotency-Key`.
#[must_use]
pub fn written(name: &HeaderName) -> String {
    let special = [
        (&ETAG, "ETag"),
        (&RATELIMIT, "RateLimit"),
        (&RATELIMIT_POLICY, "RateLimit-Policy"),
        (&TRACEPARENT, "traceparent"),
        (&TRACESTATE, "tracestate"),
        (&WWW_AUTHENTICATE, "WWW-Authenticate"),
    ];
    if let Some((_, written)) = special.into_iter().find(|(special, _)| *special == name) {
        return written.to_owned();
    }
    let words = name.as_str().split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::{
        super::header::{IDEMPOTENCY_KEY, REQUEST_ID},
        *,
    };

    #[test]
    fn names_are_written_as_in_documents() {
        for (name, expected) in [
            (&IDEMPOTENCY_KEY, "Idempotency-Key"),
            (&REQUEST_ID, "X-Request-Id"),
            (&RATELIMIT_POLICY, "RateLimit-Policy"),
            (&TRACEPARENT, "traceparent"),
            (&ETAG, "ETag"),
            (&WWW_AUTHENTICATE, "WWW-Authenticate"),
        ] {
            let written = written(name);
            assert_eq!(written, expected);
            assert_eq!(written.to_lowercase(), name.as_str());
        }
    }
}
