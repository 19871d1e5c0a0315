//! Reads and changes what is logged, while the process runs.

use axum::{extract::rejection::StringRejection, response::IntoResponse as _};
use http::StatusCode;

use super::problem::Problem;
use crate::logs::{self, ChangeError};

/// Returns the filter that is in use.
pub(super) async fn get() -> Result<String, Problem> {
    logs::filter_in_use().map(line).ok_or_else(|| problem(&ChangeError::NotStarted))
}

/// Replaces the filter by the one in the body.
pub(super) async fn put(body: Result<String, StringRejection>) -> Result<String, Problem> {
    let body = body.map_err(|rejection| {
        let status = rejection.into_response().status();
        Problem::new(status, "a filter is a line of text, as in info,caseload_server=debug")
    })?;
    logs::change_filter(body.trim()).map(line).map_err(|error| problem(&error))
}

/// Returns to the filter with which the process was started.
pub(super) async fn delete() -> Result<String, Problem> {
    logs::reset_filter().map(line).map_err(|error| problem(&error))
}

fn line(mut filter: String) -> String {
    filter.push('\n');
    filter
}

fn problem(error: &ChangeError) -> Problem {
    let status = match error {
        ChangeError::Invalid(_) | ChangeError::TooLong => StatusCode::BAD_REQUEST,
        ChangeError::NotStarted => StatusCode::SERVICE_UNAVAILABLE,
    };
    Problem::new(status, error.to_string())
}
