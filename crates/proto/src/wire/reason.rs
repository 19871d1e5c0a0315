//! Why a call fails, in the words of the wire. Clients may branch on them, so they never change, also
//! where the names here are better by now.

use tonic::Code;

/// Why a call fails: `google.rpc.ErrorInfo.reason`, and `details` of a problem document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No API key was given.
    KeyRequired,
    /// More than one API key was given.
    KeyRepeated,
    /// The authorization is not of the form `Bearer KEY`.
    AuthorizationMalformed,
    /// The API key is unknown, revoked or expired, or is not accepted on the host that was called.
    KeyInvalid,
    /// The API key lacks the scope that the call needs.
    ScopeRequired,
    /// The key is not accepted from the caller's address.
    AddressNotAllowed,
    /// Fields of a request about several tasks are invalid. Each has a violation with a reason of its
    /// own.
    InvalidBatch,
    /// Fields of any other request are invalid. Each has a violation with a reason of its own.
    InvalidRequest,
    /// The idempotency key was used for another request.
    IdempotencyKeyReused,
    /// Tasks are in other states than the caller named.
    EtagMismatch,
    /// No request with this idempotency key has created anything.
    IdempotencyKeyUnknown,
    /// The case does not exist, or belongs to another tenant.
    CaseNotFound,
    /// The task does not exist, or belongs to another case.
    TaskNotFound,
    /// The user does not exist, or belongs to another tenant.
    UserNotFound,
    /// The service has as many calls as it takes.
    Overloaded,
    /// The tenant has as many waiting calls as one tenant may have.
    TenantOverloaded,
    /// The client's address has as many requests, or as much memory, as one address may have.
    AddressOverloaded,
    /// A rate limit was reached.
    RateLimited,
    /// The caller's deadline passed before the result was known.
    DeadlineExceeded,
    /// The server has no connection to the database.
    DatabaseUnavailable,
    /// A change may or may not have been made.
    OutcomeUnknown,
    /// The server failed in an unexpected way.
    Internal,
    /// The message can't be decoded.
    MessageMalformed,
    /// The message is larger than [`super::limits::MESSAGE_BYTES`].
    MessageTooLarge,
    /// The method, or the compression of the message, is not supported.
    NotSupported,
    /// The header `Idempotency-Key` is invalid.
    IdempotencyKeyInvalid,
    /// The header `If-Match` is on a request that has no use for it.
    IfMatchNotSupported,
    /// The header `Request-Timeout` is invalid.
    RequestTimeoutInvalid,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The body is larger than [`super::limits::BODY_BYTES`].
    BodyTooLarge,
    /// The headers are larger than a proxy between gateway and server takes.
    HeadersTooLarge,
    /// The body ended early.
    BodyIncomplete,
    /// The body is not JSON.
    InvalidJson,
    /// The path does not exist.
    RouteNotFound,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// The gateway has no server that serves, or is about to end.
    NotReady,
    /// The gateway could not reach a server.
    UpstreamUnavailable,
    /// A proxy between gateway and server wants other credentials.
    UpstreamUnauthenticated,
    /// A proxy between gateway and server does not allow the call.
    UpstreamForbidden,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 39] = [
        Self::KeyRequired,
        Self::KeyRepeated,
        Self::AuthorizationMalformed,
        Self::KeyInvalid,
        Self::ScopeRequired,
        Self::AddressNotAllowed,
        Self::InvalidBatch,
        Self::InvalidRequest,
        Self::IdempotencyKeyReused,
        Self::EtagMismatch,
        Self::IdempotencyKeyUnknown,
        Self::CaseNotFound,
        Self::TaskNotFound,
        Self::UserNotFound,
        Self::Overloaded,
        Self::TenantOverloaded,
        Self::AddressOverloaded,
        Self::RateLimited,
        Self::DeadlineExceeded,
        Self::DatabaseUnavailable,
        Self::OutcomeUnknown,
        Self::Internal,
        Self::MessageMalformed,
        Self::MessageTooLarge,
        Self::NotSupported,
        Self::IdempotencyKeyInvalid,
        Self::IfMatchNotSupported,
        Self::RequestTimeoutInvalid,
        Self::UnsupportedMediaType,
        Self::BodyTooLarge,
        Self::HeadersTooLarge,
        Self::BodyIncomplete,
        Self::InvalidJson,
        Self::RouteNotFound,
        Self::MethodNotAllowed,
        Self::NotReady,
        Self::UpstreamUnavailable,
        Self::UpstreamUnauthenticated,
        Self::UpstreamForbidden,
    ];

    /// The one table: the word on the wire, the gRPC code, the HTTP status.
    const fn row(self) -> (&'static str, Code, u16) {
        match self {
            Self::KeyRequired => ("KEY_REQUIRED", Code::Unauthenticated, 401),
            Self::KeyRepeated => ("KEY_REPEATED", Code::Unauthenticated, 401),
            Self::AuthorizationMalformed => ("AUTHORIZATION_MALFORMED", Code::Unauthenticated, 401),
            Self::KeyInvalid => ("KEY_INVALID", Code::Unauthenticated, 401),
            Self::ScopeRequired => ("SCOPE_REQUIRED", Code::PermissionDenied, 403),
            Self::AddressNotAllowed => ("ADDRESS_NOT_ALLOWED", Code::PermissionDenied, 403),
            Self::InvalidBatch => ("INVALID_BATCH", Code::InvalidArgument, 400),
            Self::InvalidRequest => ("INVALID_REQUEST", Code::InvalidArgument, 400),
            Self::IdempotencyKeyReused => ("REQUEST_ID_REUSED", Code::InvalidArgument, 422),
            Self::EtagMismatch => ("ETAG_MISMATCH", Code::Aborted, 412),
            Self::IdempotencyKeyUnknown => ("IDEMPOTENCY_KEY_UNKNOWN", Code::NotFound, 404),
            Self::CaseNotFound => ("CASE_NOT_FOUND", Code::NotFound, 404),
            Self::TaskNotFound => ("TASK_NOT_FOUND", Code::NotFound, 404),
            Self::UserNotFound => ("USER_NOT_FOUND", Code::NotFound, 404),
            Self::Overloaded => ("OVERLOADED", Code::Unavailable, 503),
            Self::TenantOverloaded => ("TENANT_OVER_SHARE", Code::ResourceExhausted, 429),
            Self::AddressOverloaded => ("ADDRESS_OVER_SHARE", Code::ResourceExhausted, 429),
            Self::RateLimited => ("RATE_LIMITED", Code::ResourceExhausted, 429),
            Self::DeadlineExceeded => ("DEADLINE_EXCEEDED", Code::DeadlineExceeded, 504),
            Self::DatabaseUnavailable => ("DATABASE_UNAVAILABLE", Code::Unavailable, 503),
            // Not UNAVAILABLE: proxies repeat such a call, and the change could be made twice.
            Self::OutcomeUnknown => ("OUTCOME_UNKNOWN", Code::Unknown, 500),
            Self::Internal => ("INTERNAL", Code::Internal, 500),
            Self::MessageMalformed => ("MESSAGE_MALFORMED", Code::InvalidArgument, 400),
            Self::MessageTooLarge => ("MESSAGE_TOO_LARGE", Code::OutOfRange, 400),
            Self::NotSupported => ("NOT_SUPPORTED", Code::Unimplemented, 501),
            Self::IdempotencyKeyInvalid => ("IDEMPOTENCY_KEY_INVALID", Code::InvalidArgument, 400),
            Self::IfMatchNotSupported => ("IF_MATCH_NOT_SUPPORTED", Code::InvalidArgument, 400),
            Self::RequestTimeoutInvalid => ("REQUEST_TIMEOUT_INVALID", Code::InvalidArgument, 400),
            Self::UnsupportedMediaType => ("UNSUPPORTED_MEDIA_TYPE", Code::InvalidArgument, 415),
            Self::BodyTooLarge => ("BODY_TOO_LARGE", Code::OutOfRange, 413),
            Self::HeadersTooLarge => ("HEADERS_TOO_LARGE", Code::OutOfRange, 431),
            Self::BodyIncomplete => ("BODY_INCOMPLETE", Code::InvalidArgument, 400),
            Self::InvalidJson => ("INVALID_JSON", Code::InvalidArgument, 400),
            Self::RouteNotFound => ("ROUTE_NOT_FOUND", Code::NotFound, 404),
            Self::MethodNotAllowed => ("METHOD_NOT_ALLOWED", Code::Unimplemented, 405),
            Self::NotReady => ("NOT_READY", Code::Unavailable, 503),
            Self::UpstreamUnavailable => ("UPSTREAM_UNAVAILABLE", Code::Unavailable, 503),
            // One word for both: a caller can act on neither.
            Self::UpstreamUnauthenticated => ("UPSTREAM_REFUSED", Code::Unauthenticated, 401),
            Self::UpstreamForbidden => ("UPSTREAM_REFUSED", Code::PermissionDenied, 403),
        }
    }

    /// Returns the word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// Returns the gRPC code.
    #[must_use]
    pub const fn code(self) -> Code {
        self.row().1
    }

    /// Returns the HTTP status.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        self.row().2
    }

    /// Returns the reason with this word on the wire; `None` if it is of a newer server.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// Why a field is invalid: `google.rpc.BadRequest.FieldViolation.reason`, and `details` of a
/// problem document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldReason {
    /// A field that must have a value has none.
    Required,
    /// A number that must be positive is not.
    NotPositive,
    /// A list has more items than allowed.
    TooMany,
    /// A text is longer than allowed.
    TooLong,
    /// A text contains a NUL character.
    ContainsNul,
    /// A text is not an email address.
    InvalidEmail,
    /// A text contains a character that is not allowed.
    InvalidCharacter,
    /// No user of the tenant has this email.
    UnknownUser,
    /// The user with this email was deactivated.
    UserDeactivated,
    /// Another user of the tenant has this email.
    EmailTaken,
    /// A list names the same thing twice.
    Duplicate,
    /// The task does not exist.
    TaskNotFound,
    /// The task is in another state than the caller named.
    EtagMismatch,
    /// A field mask has a path that can't be changed.
    InvalidMask,
    /// A number is not in its range.
    OutOfRange,
    /// A value is none of those that are documented.
    UnknownValue,
    /// A text is not the page token of this list.
    InvalidPageToken,
    /// A text is not a time, or a time is out of the range of times.
    InvalidTime,
    /// The API does not document a query parameter of this name.
    UnknownParameter,
    /// A query parameter is given twice.
    DuplicateParameter,
    /// A JSON object has a member that the API does not document.
    UnknownMember,
    /// A JSON object has a member twice.
    DuplicateMember,
    /// A JSON value is not of the documented type.
    WrongType,
}

impl FieldReason {
    /// Every reason.
    pub const ALL: [Self; 23] = [
        Self::Required,
        Self::NotPositive,
        Self::TooMany,
        Self::TooLong,
        Self::ContainsNul,
        Self::InvalidEmail,
        Self::InvalidCharacter,
        Self::UnknownUser,
        Self::UserDeactivated,
        Self::EmailTaken,
        Self::Duplicate,
        Self::TaskNotFound,
        Self::EtagMismatch,
        Self::InvalidMask,
        Self::OutOfRange,
        Self::UnknownValue,
        Self::InvalidPageToken,
        Self::InvalidTime,
        Self::UnknownParameter,
        Self::DuplicateParameter,
        Self::UnknownMember,
        Self::DuplicateMember,
        Self::WrongType,
    ];

    /// Returns the word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "REQUIRED",
            Self::NotPositive => "NOT_POSITIVE",
            Self::TooMany => "TOO_MANY",
            Self::TooLong => "TOO_LONG",
            Self::ContainsNul => "CONTAINS_NUL",
            Self::InvalidEmail => "INVALID_EMAIL",
            Self::InvalidCharacter => "INVALID_CHARACTER",
            Self::UnknownUser => "UNKNOWN_USER",
            Self::UserDeactivated => "USER_DEACTIVATED",
            Self::EmailTaken => "EMAIL_TAKEN",
            Self::Duplicate => "DUPLICATE",
            Self::TaskNotFound => "TASK_NOT_FOUND",
            Self::EtagMismatch => "ETAG_MISMATCH",
            Self::InvalidMask => "INVALID_MASK",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::UnknownValue => "UNKNOWN_VALUE",
            Self::InvalidPageToken => "INVALID_PAGE_TOKEN",
            Self::InvalidTime => "INVALID_TIME",
            Self::UnknownParameter => "UNKNOWN_PARAMETER",
            Self::DuplicateParameter => "DUPLICATE_PARAMETER",
            Self::UnknownMember => "UNKNOWN_MEMBER",
            Self::DuplicateMember => "DUPLICATE_MEMBER",
            Self::WrongType => "WRONG_TYPE",
        }
    }
}

/// Returns the HTTP status of a gRPC code, as google/rpc/code.proto has it. It is for statuses
/// whose reason is unknown; a [`Reason`] has its own.
#[must_use]
pub const fn http_status(code: Code) -> u16 {
    match code {
        Code::Ok => 200,
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::DeadlineExceeded => 504,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::PermissionDenied => 403,
        Code::ResourceExhausted => 429,
        Code::Unimplemented => 501,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
        Code::Unavailable => 503,
        Code::Unauthenticated => 401,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_is_listed_once_and_parsed_as_it_is_written() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            let parsed = Reason::parse(reason.as_str()).unwrap();
            assert_eq!(parsed.as_str(), reason.as_str());
        }
        for (index, reason) in FieldReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
        let words: BTreeSet<_> = FieldReason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), FieldReason::ALL.len());
        let words: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), Reason::ALL.len() - 1, "UPSTREAM_REFUSED has two codes");
        assert_eq!(Reason::parse("SOMETHING_NEW"), None);
    }

    #[test]
    fn the_http_status_is_that_of_the_code_but_where_http_has_a_better_one() {
        let special: Vec<_> = Reason::ALL
            .into_iter()
            .filter(|reason| reason.http_status() != http_status(reason.code()))
            .map(|reason| (reason.as_str(), reason.http_status()))
            .collect();
        assert_eq!(
            special,
            [
                ("REQUEST_ID_REUSED", 422),
                ("ETAG_MISMATCH", 412),
                ("UNSUPPORTED_MEDIA_TYPE", 415),
                ("BODY_TOO_LARGE", 413),
                ("HEADERS_TOO_LARGE", 431),
                ("METHOD_NOT_ALLOWED", 405),
            ]
        );
    }
}
