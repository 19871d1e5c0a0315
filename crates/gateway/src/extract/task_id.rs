//! The id of a task, from the path.

use axum::extract::FromRequestParts;
use http::request::Parts;
use proto::wire::Reason;

use super::{Rejection, path};
use crate::openapi::{Draft, Input, schema::Id};

/// The path parameter `{task_id}`: a positive integer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskId(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for TaskId {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        path::id(parts, state, "task_id").await.map(Self).ok_or(Rejection::TaskIdMalformed)
    }
}

impl Input for TaskId {
    fn describe(draft: &mut Draft) {
        draft.path::<Id>("task_id", "The id of the task.");
        draft.reason(Reason::TaskNotFound);
    }
}
