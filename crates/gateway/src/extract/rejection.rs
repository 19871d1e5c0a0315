//! Why the gateway rejects a request by itself.

use serving::Exhausted;

use super::{JsonError, QueryError};

/// Why the gateway rejects a request without asking the server. `problem` has the sentence and the
/// status of each.
#[derive(Debug)]
pub(crate) enum Rejection {
    /// The path does not exist.
    RouteNotFound,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// The case's id in the path is not a positive integer.
    CaseIdMalformed,
    /// The task's id in the path is not a positive integer.
    TaskIdMalformed,
    /// Parameters of the query string are not as documented.
    Query(Vec<QueryError>),
    /// The request has the header `If-Match`, and what it is about has no state of its own.
    PreconditionNotSupported,
    /// The header `Idempotency-Key` is repeated or malformed.
    IdempotencyKeyInvalid,
    /// The header `Request-Timeout` is repeated or malformed.
    RequestTimeoutInvalid,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The body exceeds [`proto::wire::limits::BODY_BYTES`].
    BodyTooLarge,
    /// The memory for bodies is used up.
    Exhausted(Exhausted),
    /// The requests in flight, or the bodies that may be waited for, are used up.
    NotBegun(Exhausted),
    /// The connection ended, or broke the protocol, before the end of the body.
    BodyIncomplete,
    /// The body is not the documented JSON.
    Json(JsonError),
    /// The deadline passed before the body was complete.
    DeadlineExceeded,
    /// The gateway is about to end, or no server behind it serves.
    NotReady,
}
