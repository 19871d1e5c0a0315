//! What each reason of a call as a whole means.

use proto::wire::Reason;

use super::text::{Meaning, both, over_grpc};

/// Returns what a reason means.
pub(super) const fn of(reason: Reason) -> Meaning {
    match reason {
        Reason::KeyRequired => both(
            "the request has no API key",
            "Send the key once, as `Authorization: Bearer KEY` or as `X-User-Token: KEY`. Whoever administers \
             the tenant can create one, with `caseload admin key create`.",
        ),
        Reason::KeyRepeated => both(
            "the request has more than one API key, so that it is ambiguous who the caller is",
            "Send one key, in one header.",
        ),
        Reason::AuthorizationMalformed => both(
            "the header `Authorization` is not of the form `Bearer KEY`",
            "Send `Bearer`, one space, and the key.",
        ),
        Reason::KeyInvalid => both(
            "the API key is unknown, revoked or expired, or is not accepted on the host that the request was sent to, \
             as that of another tenant. These are not distinguished",
            "Use a key that is valid, and the host that belongs to it. Whoever administers the tenant can create one, \
             with `caseload admin key create`.",
        ),
        Reason::ScopeRequired => both(
            "the API key lacks the scope that the call needs. `detail` names it; over gRPC so does `scope` in the \
             metadata of `ErrorInfo`: one scope, or several with spaces between them, of which the key needs one",
            "Use a key with this scope. No scope includes another.",
        ),
        Reason::AddressNotAllowed => both(
            "the API key is accepted from certain addresses only, and the request did not come from one of them, or \
             it is not known from where it came. Which addresses these are is not told",
            "Make the request from where the key is meant to be used. Whoever administers the tenant can change \
             the addresses.",
        ),
        Reason::InvalidBatch => over_grpc(
            "the reason of a status with field violations, each of which has a reason of its own, of methods \
             with `Batch` in their name, and of any message whose lists have more than 10,000 items in all",
            "Correct the fields that `google.rpc.BadRequest` names. Nothing was changed.",
        ),
        Reason::InvalidRequest => both(
            "parts of the request are invalid. It is the `type` of the problem; each item of `errors` has a \
             reason of its own, and over gRPC each field violation",
            "Correct what `errors` lists: `pointer` is a member of the body, `parameter` a parameter of the \
             query string. Nothing was changed.",
        ),
        Reason::IdempotencyKeyReused => both(
            "the `Idempotency-Key` was used for another request",
            "Use a new key for each new request, such as a random UUID, and the same key only to repeat \
             a request unchanged.",
        ),
        Reason::EtagMismatch => both(
            "the task, or the case, has been changed since the caller saw it; nothing was changed now. Of a \
             batch all such tasks are listed, each with its `pointer`",
            "Read it again, and decide anew.",
        ),
        Reason::IdempotencyKeyUnknown => both(
            "no request with this idempotency key has created anything, or its record was deleted after its \
             lifetime",
            "Repeat the request with the same key. Until the deadline of the first one has passed, that one \
             may still create its tasks; with the key, nothing is created twice.",
        ),
        Reason::CaseNotFound => both(
            "the case does not exist, or belongs to another tenant",
            "Check the id: it is the `case_id` that the response to the creation has, a positive number in \
             plain decimal digits.",
        ),
        Reason::TaskNotFound => both(
            "the case has no such task. Of a batch all such tasks are listed, each with its `pointer`",
            "Check the ids of the task and of its case. Whoever deleted the task, its id is never used again.",
        ),
        Reason::UserNotFound => over_grpc(
            "the tenant has no such user",
            "Check by what the user is named. An erased user is found by the id alone.",
        ),
        Reason::Overloaded => both(
            "the service has as many calls, or as much memory taken, as it allows; nothing was changed",
            "Repeat the request after `Retry-After`.",
        ),
        Reason::TenantOverloaded => both(
            "the tenant has too many calls in flight, or too many waiting, of those that create tasks, of \
             those that wait for locked tasks, or of all others; nothing was changed. If far too many calls \
             create tasks, the response comes up to half a second later",
            "Make fewer calls at once, and repeat this one after `Retry-After`.",
        ),
        Reason::AddressOverloaded => both(
            "the address of the client has too many requests in flight, or takes too much memory; nothing was \
             changed",
            "Make fewer requests at once from this address, and repeat this one after `Retry-After`.",
        ),
        Reason::RateLimited => both(
            "the rate limit of the key or the tenant was reached, as `RateLimit` and `RateLimit-Policy` say. \
             Or a proxy between gateway and server limits the rate, and may send no `Retry-After`. Nothing was \
             changed",
            "Repeat the request after `Retry-After`, and make fewer calls. A batch counts as one.",
        ),
        Reason::DeadlineExceeded => both(
            "the deadline passed before the result was known; the change, if the call makes one, may or may \
             not have been made",
            "Repeat the request if that is safe: with the same `Idempotency-Key`, if it creates something. \
             `Request-Timeout` can only shorten the deadline.",
        ),
        Reason::DatabaseUnavailable => both(
            "the server has no connection to the database; nothing was changed",
            "Repeat the request after `Retry-After`.",
        ),
        Reason::OutcomeUnknown => both(
            "a connection was lost during a call that writes, or a proxy between gateway and server failed; \
             the change may or may not have been made",
            "Repeat the request if that is safe: with the same `Idempotency-Key`, if it creates something. \
             Without a key, read what is there first.",
        ),
        Reason::Internal => both(
            "an unexpected error. The log of the service has the cause, under the same request id",
            "Tell the operators of the service the `request_id`.",
        ),
        Reason::MessageMalformed => over_grpc(
            "the message is incomplete, missing, or not a protobuf message of its type",
            "Generate the client from the contract of this release.",
        ),
        Reason::MessageTooLarge => {
            over_grpc("the message has more than 2 MiB", "Divide the request into smaller ones.")
        }
        Reason::NotSupported => over_grpc(
            "the method does not exist, or the compression of the message is not supported",
            "Call a method of the contract, without compression.",
        ),
        Reason::IdempotencyKeyInvalid => both(
            "the header `Idempotency-Key` is malformed, or given twice",
            "Send it once: 1 to 255 visible ASCII characters.",
        ),
        Reason::IfMatchNotSupported => both(
            "a request about several tasks has the header `If-Match`, which would protect nothing",
            "Send the entity tag of each task in its member `etag`. Batch delete has no entity tags.",
        ),
        Reason::RequestTimeoutInvalid => both(
            "the header `Request-Timeout` is malformed, or given twice",
            "Send it once: seconds, greater than 0 and with at most three decimals, as in `2.5`.",
        ),
        Reason::UnsupportedMediaType => {
            both("the body is not declared as JSON", "Send `content-type: application/json`, once.")
        }
        Reason::BodyTooLarge => both(
            "the body is larger than the gateway accepts, which is 1 MiB, or than a proxy between gateway and \
             server accepts",
            "Divide the request into smaller ones.",
        ),
        Reason::HeadersTooLarge => both(
            "the headers are larger than a proxy between gateway and server accepts",
            "Send fewer or shorter headers.",
        ),
        Reason::BodyIncomplete => {
            both("the body ended early", "Repeat the request, and send the whole body.")
        }
        Reason::InvalidJson => both("the body is not JSON", "Correct what `detail` says."),
        Reason::RouteNotFound => both(
            "there is nothing at this path",
            "Check the path. `/openapi.json` lists all that there are.",
        ),
        Reason::MethodNotAllowed => both(
            "the path exists, but not with this method. `Allow` lists those that it has",
            "Use one of the methods in `Allow`.",
        ),
        Reason::NotReady => both(
            "the gateway has no server that serves, or is about to end. Only `/readyz` says so",
            "Send requests to another gateway, or later.",
        ),
        Reason::UpstreamUnavailable => both(
            "the gateway could not reach a server; nothing was changed",
            "Repeat the request after `Retry-After`, or after a moment if there is none.",
        ),
        Reason::UpstreamUnauthenticated => both(
            "a proxy between gateway and server requires other credentials; nothing was changed",
            "Tell the operators of the service: callers can't do anything about it.",
        ),
        Reason::UpstreamForbidden => both(
            "a proxy between gateway and server does not allow the call; nothing was changed",
            "Tell the operators of the service: callers can't do anything about it.",
        ),
    }
}
