//! The states of a resource to which a change may be made, from the header `If-Match`.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::{HeaderMap, header::IF_MATCH, request::Parts};
use proto::wire::Reason;

use super::Rejection;
use crate::openapi::{Draft, Input, schema::EntityTags};

/// The entity tags of the header, as a list; empty without the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IfMatch(pub(crate) String);

/// Stands for a value that is not text: no resource has this tag.
const NO_TAG: &str = "?";

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

impl IfMatch {
    /// A header that is given several times is one list (RFC 9110, 5.3).
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(IF_MATCH).iter();
        let values = values.map(|value| match value.to_str().map(str::trim) {
            Ok("") | Err(_) => NO_TAG,
            Ok(tags) => tags,
        });
        let values: Vec<_> = values.collect();
        // `*` stands for every state, however often it is said.
        if !values.is_empty() && values.iter().all(|value| *value == "*") {
            return Self("*".to_owned());
        }
        Self(values.join(","))
    }
}

/// Rejects the header: a batch has no state of its own, and a precondition that is ignored does not
/// protect. Each task of a batch has a member for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoIfMatch;

impl<S: Send + Sync> FromRequestParts<S> for NoIfMatch {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        if parts.headers.contains_key(IF_MATCH) {
            return Err(Rejection::PreconditionNotSupported);
        }
        Ok(Self)
    }
}

impl Input for IfMatch {
    fn describe(draft: &mut Draft) {
        draft.header::<EntityTags>(
            &IF_MATCH,
            "The states in which it may be changed or deleted: a list of entity tags, one of which must be \
             the present one; or `*`, which every state matches. Without the header there is no condition.",
        );
        draft.reason(Reason::EtagMismatch);
    }
}

impl Input for NoIfMatch {
    fn describe(draft: &mut Draft) {
        draft.reason(Reason::IfMatchNotSupported);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn all_values_make_one_list() {
        let list = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IF_MATCH, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            IfMatch::of(&headers).0
        };
        assert_eq!(list(&[]), "");
        assert_eq!(list(&["*"]), "*");
        assert_eq!(list(&["*", " * "]), "*");
        assert_eq!(list(&["\"1\", \"2\"", "\"3\""]), "\"1\", \"2\",\"3\"");
        // A precondition that can't be read must not be taken for none.
        assert_eq!(list(&[""]), "?");
        assert_eq!(list(&["é"]), "?");
    }
}
