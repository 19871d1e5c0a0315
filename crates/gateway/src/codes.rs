//! The one table from gRPC's codes to HTTP's, as google/rpc/code.proto has it.

use http::StatusCode;
use tonic::Code;

/// What a code means in HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// The code's name, as google.rpc.Code writes it.
    pub(crate) name: &'static str,
    /// The status of the response.
    pub(crate) status: StatusCode,
    /// The title of the problem.
    pub(crate) title: &'static str,
}

pub(crate) fn meaning(code: Code) -> Meaning {
    let (name, status, title) = match code {
        Code::Ok => ("OK", 200, "Success"),
        Code::Cancelled => ("CANCELLED", 499, "Request cancelled"),
        Code::Unknown => ("UNKNOWN", 500, "Outcome unknown"),
        Code::InvalidArgument => ("INVALID_ARGUMENT", 400, "Invalid request"),
        Code::DeadlineExceeded => ("DEADLINE_EXCEEDED", 504, "Deadline exceeded"),
        Code::NotFound => ("NOT_FOUND", 404, "Not found"),
        Code::AlreadyExists => ("ALREADY_EXISTS", 409, "Already exists"),
        Code::PermissionDenied => ("PERMISSION_DENIED", 403, "Permission denied"),
        Code::ResourceExhausted => ("RESOURCE_EXHAUSTED", 429, "Too many requests"),
        Code::FailedPrecondition => ("FAILED_PRECONDITION", 400, "Failed precondition"),
        Code::Aborted => ("ABORTED", 409, "Aborted"),
        Code::OutOfRange => ("OUT_OF_RANGE", 400, "Out of range"),
        Code::Unimplemented => ("UNIMPLEMENTED", 501, "Not implemented"),
        Code::Internal => ("INTERNAL", 500, "Internal error"),
        Code::Unavailable => ("UNAVAILABLE", 503, "Service unavailable"),
        Code::DataLoss => ("DATA_LOSS", 500, "Data loss"),
        Code::Unauthenticated => ("UNAUTHENTICATED", 401, "Not authenticated"),
    };
    // 499 is in no RFC, but a status all the same.
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Meaning { name, status, title }
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
        for (number, (name, status)) in (0..).zip(table) {
            let meaning = meaning(Code::from_i32(number));
            assert_eq!((meaning.name, meaning.status.as_u16()), (name, status));
        }
        assert_eq!(meaning(Code::from_i32(17)).name, "UNKNOWN");
    }
}
