//! What a status says.

use std::time::Duration;

use proto::wire::{ERROR_DOMAIN, Reason, VIOLATION_COUNT, header::REQUEST_ID};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::printable::printable;

/// A status that the server wrote: each of them has a reason of its domain.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    /// The reason, if this program knows it.
    pub(crate) reason: Option<Reason>,
    /// The reason as a word, for people.
    pub(crate) word: String,
    pub(crate) message: String,
    pub(crate) violations: Vec<FieldViolation>,
    /// How many violations there are in all: a status lists as many as fit.
    pub(crate) violation_count: usize,
    /// How long to wait before the call is made again.
    pub(crate) retry_after: Option<Duration>,
    /// The id of the call in the server's log.
    pub(crate) request_id: Option<String>,
}

/// A field that is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldViolation {
    /// The path of the field, as in `tasks[2].assignee_emails[1]`.
    pub(crate) field: String,
    pub(crate) reason: String,
    pub(crate) description: String,
}

impl Refusal {
    /// Returns what a status says; `None` if the server did not write it.
    pub(crate) fn read(status: &Status) -> Option<Self> {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == ERROR_DOMAIN)?;
        let violations: Vec<FieldViolation> = details
            .bad_request()
            .map(|request| request.field_violations.as_slice())
            .unwrap_or_default()
            .iter()
            .map(|violation| FieldViolation {
                field: printable(&violation.field),
                reason: printable(&violation.reason),
                description: printable(&violation.description),
            })
            .collect();
        let count = info.metadata.get(VIOLATION_COUNT).and_then(|count| count.parse().ok());
        let request_id = status.metadata().get(REQUEST_ID.as_str());
        Some(Self {
            code: status.code(),
            reason: Reason::parse(&info.reason),
            word: printable(&info.reason),
            message: printable(status.message()),
            violation_count: count.unwrap_or(violations.len()),
            violations,
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
            request_id: request_id.and_then(|id| id.to_str().ok()).map(printable),
        })
    }

    /// Returns what a status says that somebody else wrote, as a proxy does, if it is certain all the same
    /// that nothing was done.
    pub(crate) fn of_other(status: &Status) -> Option<Self> {
        let word = match status.code() {
            Code::Unimplemented => "not a server of Caseload, or an older one",
            Code::Unauthenticated => "not accepted by a proxy",
            Code::PermissionDenied => "not allowed by a proxy",
            _ => return None,
        };
        Some(Self {
            code: status.code(),
            reason: None,
            word: word.to_owned(),
            message: printable(status.message()),
            violations: vec![],
            violation_count: 0,
            retry_after: None,
            request_id: None,
        })
    }

    /// Whether it is a fault of the request itself: the same request would be refused again.
    pub(crate) fn is_of_request(&self) -> bool {
        matches!(self.code, Code::InvalidArgument | Code::OutOfRange)
    }

    /// Whether it tells what became of an earlier attempt at the same call, too: with a key that was
    /// used, the call would have succeeded; of an entity tag, the caller finds out.
    pub(crate) fn tells_all(&self) -> bool {
        self.is_of_request() || matches!(self.code, Code::NotFound | Code::Aborted)
    }
}

impl FieldViolation {
    /// Returns the index of the item that is at fault in the list of this name, and the path of the
    /// field within the item, which may be empty: 2 and `assignee_emails[1]` for
    /// `tasks[2].assignee_emails[1]`.
    pub(crate) fn item(&self, list: &str) -> Option<(usize, &str)> {
        let rest = self.field.strip_prefix(list)?.strip_prefix('[')?;
        let (index, field) = rest.split_once(']')?;
        Some((index.parse().ok()?, field.strip_prefix('.').unwrap_or(field)))
    }

    /// Returns what is wrong, in a sentence with its reason.
    pub(crate) fn sentence(&self) -> String {
        format!("{} ({})", self.description, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_names_the_item_and_the_field_within_it() {
        let item = |field: &str| {
            let violation = FieldViolation {
                field: field.to_owned(),
                reason: String::new(),
                description: String::new(),
            };
            violation.item("tasks").map(|(index, field)| (index, field.to_owned()))
        };
        let found = |index, field: &str| Some((index, field.to_owned()));
        assert_eq!(item("tasks[2].assignee_emails[1]"), found(2, "assignee_emails[1]"));
        assert_eq!(item("tasks[24].description"), found(24, "description"));
        assert_eq!(item("tasks[0]"), found(0, ""));
        for field in ["tasks", "tasks[x]", "tasks[1", "task_ids[1]", "case_id", ""] {
            assert_eq!(item(field), None, "{field}");
        }
    }

    #[test]
    fn a_status_without_a_reason_of_the_server_is_not_a_refusal() {
        assert!(Refusal::read(&Status::unavailable("a proxy wrote this")).is_none());
    }
}
