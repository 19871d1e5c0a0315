//! What gRPC's codes are called in problem documents.

use http::StatusCode;
use proto::wire::{self, Reason};
use tonic::Code;

/// Returns the name of a code, as google.rpc.Code writes it.
pub(super) const fn name(code: Code) -> &'static str {
    row(code).0
}

/// Returns the HTTP status of a reason, or the usual one of the code if the reason is of a newer
/// server, and the title. Where the status is not the code's usual one, the title is HTTP's.
pub(super) fn status_and_title(code: Code, reason: &str) -> (StatusCode, &'static str) {
    let usual = wire::http_status(code);
    let status = Reason::parse(reason)
        .filter(|reason| reason.code() == code)
        .map_or(usual, Reason::http_status);
    let is_usual = status == usual;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let title = match status.canonical_reason() {
        Some(title) if !is_usual => title,
        _ => title(code),
    };
    (status, title)
}

/// Returns the names of all codes of errors.
pub(super) fn names_of_errors() -> impl Iterator<Item = &'static str> {
    (1..=16).map(|number| name(Code::from_i32(number)))
}

/// Returns the title of problems with this code.
pub(super) const fn title(code: Code) -> &'static str {
    row(code).1
}

const fn row(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::Ok => ("OK", "Success"),
        Code::Cancelled => ("CANCELLED", "Request cancelled"),
        Code::Unknown => ("UNKNOWN", "Outcome unknown"),
        Code::InvalidArgument => ("INVALID_ARGUMENT", "Invalid request"),
        Code::DeadlineExceeded => ("DEADLINE_EXCEEDED", "Deadline exceeded"),
        Code::NotFound => ("NOT_FOUND", "Not found"),
        Code::AlreadyExists => ("ALREADY_EXISTS", "Already exists"),
        Code::PermissionDenied => ("PERMISSION_DENIED", "Permission denied"),
        Code::ResourceExhausted => ("RESOURCE_EXHAUSTED", "Too many requests"),
        Code::FailedPrecondition => ("FAILED_PRECONDITION", "Failed precondition"),
        Code::Aborted => ("ABORTED", "Aborted"),
        Code::OutOfRange => ("OUT_OF_RANGE", "Out of range"),
        Code::Unimplemented => ("UNIMPLEMENTED", "Not implemented"),
        Code::Internal => ("INTERNAL", "Internal error"),
        Code::Unavailable => ("UNAVAILABLE", "Service unavailable"),
        Code::DataLoss => ("DATA_LOSS", "Data loss"),
        Code::Unauthenticated => ("UNAUTHENTICATED", "Not authenticated"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// google/rpc/code.proto, line by line.
    #[test]
    fn all_17_codes_mean_what_google_rpc_code_says() {
        let table = [
            ("OK", 200),
            ("CANCELLED", 499),
            ("UNKNOWN", 500),
            ("INVALID_ARGUMENT", 400),
            ("DEADLINE_EXCEEDED", 504),
            ("NOT_FOUND", 404),
            ("ALREADY_EXISTS", 409),
            ("PERMISSION_DENIED", 403),
            ("RESOURCE_EXHAUSTED", 429),
            ("FAILED_PRECONDITION", 400),
            ("ABORTED", 409),
            ("OUT_OF_RANGE", 400),
            ("UNIMPLEMENTED", 501),
            ("INTERNAL", 500),
            ("UNAVAILABLE", 503),
            ("DATA_LOSS", 500),
            ("UNAUTHENTICATED", 401),
        ];
        for (number, (word, status)) in (0..).zip(table) {
            let code = Code::from_i32(number);
            assert_eq!((name(code), wire::http_status(code)), (word, status));
        }
        assert_eq!(name(Code::from_i32(17)), "UNKNOWN");
    }
}
