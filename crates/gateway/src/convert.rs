//! Between the documented JSON and the contract's messages.

use http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER};
use proto::{Timestamp, tasks::v1};
use tonic::{Code, Status};
use tonic_types::{FieldViolation, StatusExt as _};

use crate::{
    dto::{self, Object},
    problem::{Item, Problem},
    upstream::{Failure, Refusal, rates},
};

pub(crate) fn to_request(
    case_id: i64,
    body: dto::CreateTasks,
    request_id: String,
) -> v1::BatchCreateTasksRequest {
    let tasks = body.tasks.into_iter().map(|Object(task)| v1::NewTask {
        description: task.description,
        assignee_emails: task.assignee_emails,
    });
    v1::BatchCreateTasksRequest { case_id, tasks: tasks.collect(), request_id }
}

pub(crate) fn to_body(response: v1::BatchCreateTasksResponse) -> dto::CreatedTasks {
    let mut times = Times::default();
    let tasks = response.tasks.into_iter().map(|task| to_task(task, &mut times));
    dto::CreatedTasks { tasks: tasks.collect() }
}

fn to_task(task: v1::Task, times: &mut Times) -> dto::Task {
    dto::Task {
        id: task.id,
        description: task.description,
        completed: task.completed,
        assignees: task.assignees.into_iter().map(to_assignee).collect(),
        created_at: times.write(task.created_at),
        updated_at: times.write(task.updated_at),
    }
}

fn to_assignee(assignee: v1::Assignee) -> dto::Assignee {
    dto::Assignee {
        id: assignee.id,
        email: assignee.email,
        first_name: assignee.first_name,
        last_name: assignee.last_name,
    }
}

/// Writes times. The tasks of a batch have the same, and writing one takes longer than the rest of
/// its task, so the last one is kept.
#[derive(Default)]
struct Times {
    last: Option<(i64, String)>,
}

impl Times {
    /// ISO 8601 in UTC, cut to whole seconds, as documented: `2024-03-25T15:40:39Z`.
    fn write(&mut self, time: Option<Timestamp>) -> String {
        let seconds = time.map_or(0, |time| time.seconds);
        match &self.last {
            Some((last, text)) if *last == seconds => text.clone(),
            _ => {
                let text = Timestamp { seconds, nanos: 0 }.to_string();
                self.last = Some((seconds, text.clone()));
                text
            }
        }
    }
}

/// The problem that a failed call is to the caller.
pub(crate) fn to_problem(failure: Failure) -> Problem {
    match failure {
        Failure::Answered(status) => from_status(&status),
        Failure::TimedOut => Problem::new(
            Code::DeadlineExceeded,
            "DEADLINE_EXCEEDED",
            "the deadline passed before the answer was there",
        ),
        Failure::Unreached => Problem::new(
            Code::Unavailable,
            "UPSTREAM_UNAVAILABLE",
            "the service is not available; nothing was changed",
        ),
        Failure::Lost => Problem::new(
            Code::Unknown,
            "OUTCOME_UNKNOWN",
            "the service's answer was lost; the change may or may not have been made",
        ),
        Failure::Refused(refusal) => from_refusal(refusal),
    }
}

/// The problem that a proxy's refusal is to the caller. The proxy's own words stay inside.
fn from_refusal(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Unauthenticated => Problem::new(
            Code::Unauthenticated,
            "UPSTREAM_REFUSED",
            "the call was not let through to the service without other credentials; no task was \
             created",
        ),
        Refusal::Forbidden => Problem::new(
            Code::PermissionDenied,
            "UPSTREAM_REFUSED",
            "the call was not let through to the service; nothing was changed",
        ),
        Refusal::BodyTooLarge => Problem::new(
            Code::OutOfRange,
            "BODY_TOO_LARGE",
            "the body is too large to be passed on to the service; nothing was changed",
        )
        .with_status(StatusCode::PAYLOAD_TOO_LARGE),
        Refusal::HeadersTooLarge => Problem::new(
            Code::OutOfRange,
            "HEADERS_TOO_LARGE",
            "the headers are too large to be passed on to the service; nothing was changed",
        )
        .with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Refusal::RateLimited(retry_after) => Problem::new(
            Code::ResourceExhausted,
            "RATE_LIMITED",
            "there are too many calls on the way to the service; nothing was changed",
        )
        .with_headers(come_back(retry_after)),
        Refusal::Unavailable(retry_after) => Problem::new(
            Code::Unavailable,
            "UPSTREAM_UNAVAILABLE",
            "the service is not available; nothing was changed",
        )
        .with_headers(come_back(retry_after)),
    }
}

fn come_back(retry_after: Option<HeaderValue>) -> HeaderMap {
    retry_after.map(|time| (RETRY_AFTER, time)).into_iter().collect()
}

fn from_status(status: &Status) -> Problem {
    let problem = refusal(status).with_headers(rates(status.metadata()));
    match status.get_details_retry_info().and_then(|info| info.retry_delay) {
        // Whole seconds (RFC 9110, 10.2.3), and not too early.
        Some(delay) => {
            problem.with_header(RETRY_AFTER, delay.as_millis().div_ceil(1000).to_string())
        }
        None => problem,
    }
}

fn refusal(status: &Status) -> Problem {
    let violations = status.get_details_bad_request().map_or(Vec::new(), |b| b.field_violations);
    if !violations.is_empty() {
        let items = violations.into_iter().map(to_item).collect();
        return Problem::with_items(status.code(), status.message(), items);
    }
    let info = status.get_details_error_info();
    // It has one: without, it would not have been taken for the server's.
    let reason = info.as_ref().map_or("INTERNAL", |info| &info.reason);
    let problem = Problem::new(status.code(), reason, status.message());
    match reason {
        "REQUEST_ID_REUSED" => problem.with_status(StatusCode::UNPROCESSABLE_ENTITY),
        _ => problem,
    }
}

fn to_item(violation: FieldViolation) -> Item {
    Item {
        message: violation.description,
        details: violation.reason,
        pointer: to_pointer(&violation.field),
    }
}

/// A field path of the contract as a pointer into the documented body, whose members have the
/// same names: `tasks[2].assignee_emails[1]` is `/tasks/2/assignee_emails/1`. The case's id is
/// not in the body.
fn to_pointer(field: &str) -> Option<String> {
    if field == "case_id" {
        return None;
    }
    let steps = field.split(['.', '[']).map(|step| step.trim_end_matches(']'));
    Some(steps.flat_map(|step| ["/", step]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_paths_become_pointers() {
        let table = [
            ("tasks", "/tasks"),
            ("tasks[0].description", "/tasks/0/description"),
            ("tasks[24].assignee_emails[49]", "/tasks/24/assignee_emails/49"),
        ];
        for (field, pointer) in table {
            assert_eq!(to_pointer(field).as_deref(), Some(pointer));
        }
        assert_eq!(to_pointer("case_id"), None);
    }

    #[test]
    fn times_are_cut_to_whole_seconds() {
        let mut times = Times::default();
        let mut write = |seconds, nanos| times.write(Some(Timestamp { seconds, nanos }));
        assert_eq!(write(1_711_381_239, 999_999_999), "2024-03-25T15:40:39Z");
        assert_eq!(write(1_711_381_239, 0), "2024-03-25T15:40:39Z");
        assert_eq!(write(1_711_381_240, 0), "2024-03-25T15:40:40Z");
    }
}
