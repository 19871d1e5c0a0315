//! Which page of which list of cases a request asks for.

use axum::extract::FromRequestParts;
use http::request::Parts;
use proto::{
    cases::v1::{CaseStatus, Priority},
    wire::{FieldReason, limits},
};

use super::{PageOptions, Rejection, query::Query};
use crate::{
    case_value,
    openapi::{Draft, Input, schema},
};

/// The parameters of a list of cases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CaseListOptions {
    /// Which page.
    pub(crate) page: PageOptions,
    /// Only cases of this priority.
    pub(crate) priority: Option<Priority>,
    /// Only cases of this status.
    pub(crate) status: Option<CaseStatus>,
    /// Only cases of this team.
    pub(crate) team_id: Option<i64>,
}

type Parsed<T> = Result<T, (FieldReason, &'static str)>;

impl<S: Send + Sync> FromRequestParts<S> for CaseListOptions {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Self::parse(parts.uri.query())
    }
}

impl CaseListOptions {
    /// Reads a query string.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, Rejection> {
        let mut query = Query::new(query);
        let options = Self {
            page: PageOptions::take(&mut query),
            priority: query.take("priority", priority),
            status: query.take("status", status),
            team_id: query.take("team_id", team_id),
        };
        query.finish().map_err(Rejection::Query)?;
        Ok(options)
    }
}

fn priority(text: &str) -> Parsed<Priority> {
    case_value::priority(text)
        .ok_or((FieldReason::UnknownValue, "a priority is LOW, MEDIUM, HIGH or CRITICAL"))
}

fn status(text: &str) -> Parsed<CaseStatus> {
    case_value::status(text).ok_or((FieldReason::UnknownValue, "a status is OPEN or CLOSED"))
}

fn team_id(text: &str) -> Parsed<i64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let id = text.parse().ok().filter(|id| is_plain && (1..=limits::TEAM_ID).contains(id));
    id.ok_or((FieldReason::OutOfRange, "a team's id is a number from 1 to 9007199254740991"))
}

impl Input for CaseListOptions {
    fn describe(draft: &mut Draft) {
        PageOptions::describe(draft);
        draft.query::<schema::Priority>("priority", "Only cases of this priority.");
        draft.query::<schema::CaseStatus>("status", "Only cases of this status.");
        draft.query::<schema::TeamFilter>("team_id", "Only cases of this team.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(query: &str) -> Vec<(String, FieldReason)> {
        match CaseListOptions::parse(Some(query)) {
            Ok(_) => vec![],
            Err(Rejection::Query(errors)) => {
                errors.into_iter().map(|error| (error.parameter, error.reason)).collect()
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_parameter_is_read() {
        let query = "page=3&per_page=50&priority=HIGH&status=CLOSED&team_id=7";
        let options = CaseListOptions::parse(Some(query)).unwrap();
        assert_eq!((options.page.page, options.page.per_page), (3, 50));
        assert_eq!(options.priority, Some(Priority::High));
        assert_eq!((options.status, options.team_id), (Some(CaseStatus::Closed), Some(7)));
        let options = CaseListOptions::parse(None).unwrap();
        assert_eq!((options.priority, options.status, options.team_id), (None, None, None));
    }

    #[test]
    fn what_is_not_as_documented_is_rejected() {
        for (name, values, reason) in [
            ("priority", &["low", "", "UNSPECIFIED", "INFO"][..], FieldReason::UnknownValue),
            ("status", &["open", "UNSPECIFIED", "CLOSE"], FieldReason::UnknownValue),
            ("team_id", &["0", "-1", "+1", "x", "", "9007199254740992"], FieldReason::OutOfRange),
        ] {
            for value in values {
                assert_eq!(errors(&format!("{name}={value}")), [(name.to_owned(), reason)]);
            }
        }
        assert_eq!(errors("page=0&status=x&order=NAME").len(), 3);
    }
}
