//! The id of a case, from the path.

use axum::extract::FromRequestParts;
use http::request::Parts;
use proto::wire::Reason;

use super::{Rejection, path};
use crate::openapi::{Draft, Input, schema::Id};

/// The path parameter `{case_id}`: a positive integer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CaseId(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for CaseId {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        path::id(parts, state, "case_id").await.map(Self).ok_or(Rejection::CaseIdMalformed)
    }
}

impl Input for CaseId {
    fn describe(draft: &mut Draft) {
        draft.path::<Id>("case_id", "The id of the case.");
        draft.reason(Reason::CaseNotFound);
    }
}
