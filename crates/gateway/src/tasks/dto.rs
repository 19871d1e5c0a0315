//! The documented JSON.
//!
//! These types are the gateway's own, since protobuf's JSON mapping writes an int64 as a string
//! and the documented API writes a number.

use serde::{Deserialize, Serialize};

use crate::{
    extract::{Object, RequestBody, null_as_default},
    page::Meta,
};

/// The body of a request to create tasks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateTasks {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) tasks: Vec<Object<NewTask>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTask {
    /// Empty if it is missing: the server rejects both alike, with the path of the field.
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) description: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) assignee_emails: Vec<String>,
}

impl RequestBody for CreateTasks {
    fn list_bytes(&self) -> usize {
        let emails = self.tasks.iter().map(|task| task.0.assignee_emails.capacity());
        self.tasks.capacity() * size_of::<NewTask>() + emails.sum::<usize>() * size_of::<String>()
    }
}

/// The body of a request to change a task. What is absent or null stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateTask {
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) completed: Option<bool>,
    #[serde(default)]
    pub(crate) assignee_emails: Option<Vec<String>>,
}

/// The body of a request to change several tasks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateTasks {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) tasks: Vec<Object<TaskChange>>,
}

/// One of several changes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskChange {
    /// 0 if it is missing: the server rejects both alike, with the path of the field.
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) completed: Option<bool>,
    #[serde(default)]
    pub(crate) assignee_emails: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) etag: Option<String>,
}

/// The body of a request to delete several tasks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteTasks {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) task_ids: Vec<i64>,
}

impl RequestBody for NewTask {
    fn list_bytes(&self) -> usize {
        self.assignee_emails.capacity() * size_of::<String>()
    }
}

impl RequestBody for UpdateTask {
    fn list_bytes(&self) -> usize {
        self.assignee_emails.as_ref().map_or(0, Vec::capacity) * size_of::<String>()
    }
}

impl RequestBody for UpdateTasks {
    fn list_bytes(&self) -> usize {
        let emails = self.tasks.iter().filter_map(|task| task.0.assignee_emails.as_ref());
        let emails = emails.map(Vec::capacity).sum::<usize>();
        self.tasks.capacity() * size_of::<TaskChange>() + emails * size_of::<String>()
    }
}

impl RequestBody for DeleteTasks {
    fn list_bytes(&self) -> usize {
        self.task_ids.capacity() * size_of::<i64>()
    }
}

/// The body of a response with several tasks.
#[derive(Debug, Serialize)]
pub(crate) struct Tasks {
    pub(crate) tasks: Vec<Task>,
}

/// The body of a response to the deletion of a task.
#[derive(Debug, Serialize)]
pub(crate) struct DestroyedTask {
    pub(crate) destroyed_id: String,
}

/// The body of a response to the deletion of several tasks.
#[derive(Debug, Serialize)]
pub(crate) struct DestroyedTasks {
    pub(crate) destroyed_ids: Vec<String>,
}

/// The body of a response about an idempotency key.
#[derive(Debug, Serialize)]
pub(crate) struct IdempotencyKey {
    pub(crate) idempotency_key: IdempotencyRecord,
}

/// What a request with an idempotency key did.
#[derive(Debug, Serialize)]
pub(crate) struct IdempotencyRecord {
    pub(crate) key: String,
    /// `created`: a key that created nothing has no record.
    pub(crate) outcome: &'static str,
    /// Only if the request created a case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) case_id: Option<i64>,
    pub(crate) task_ids: Vec<i64>,
    pub(crate) created_at: String,
}

/// The body of a response with one task.
#[derive(Debug, Serialize)]
pub(crate) struct OneTask {
    pub(crate) task: Task,
}

/// The body of a response with a page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct TaskList {
    pub(crate) tasks: Vec<Task>,
    pub(crate) meta: Meta,
}

#[derive(Debug, Serialize)]
pub(crate) struct Task {
    /// Only of a task that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<i64>,
    /// Only in lists over several cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) case_id: Option<i64>,
    pub(crate) description: String,
    pub(crate) completed: bool,
    pub(crate) assignees: Vec<Assignee>,
    /// Only of a task that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_at: Option<String>,
    /// Only of a task that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) updated_at: Option<String>,
}

/// The body of a response with a page of what was done to a task.
#[derive(Debug, Serialize)]
pub(crate) struct TaskEventList {
    pub(crate) task_events: Vec<TaskEvent>,
    pub(crate) meta: Meta,
}

#[derive(Debug, Serialize)]
pub(crate) struct TaskEvent {
    pub(crate) id: i64,
    pub(crate) case_id: i64,
    pub(crate) task_id: i64,
    pub(crate) kind: &'static str,
    pub(crate) api_key: ApiKey,
    pub(crate) request_id: String,
    pub(crate) created_at: String,
    /// Only of the kind `described`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// Only of the kinds `created`, `assigned` and `unassigned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) users: Option<Vec<Assignee>>,
    /// Only of the kinds `created`, `assigned` and `unassigned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) assignee_ids: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ApiKey {
    pub(crate) id: i64,
    pub(crate) name: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Assignee {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        extract::{JsonError, Rejection},
        problem::{Item, Problem},
    };

    /// The longest message or pointer, the mark of a cut included.
    const MAX_CHARS: usize = 201;

    /// Returns the one item of the problem of a body that is not as documented.
    fn item(body: &[u8]) -> Item {
        let error = serde_json::from_slice::<Object<CreateTasks>>(body).unwrap_err();
        let error = JsonError::locate::<CreateTasks>(body, &error);
        Problem::from(Rejection::Json(error)).into_items().remove(0)
    }

    fn reason_and_pointer(body: &[u8]) -> (String, Option<String>) {
        let item = item(body);
        (item.details, item.place.pointer())
    }

    #[test]
    fn a_violation_of_the_shape_has_its_reason_and_its_pointer() {
        let table = [
            (r"[[]]", "WRONG_TYPE", ""),
            (r#""tasks""#, "WRONG_TYPE", ""),
            (r#"{"tasks":{"0":1}}"#, "WRONG_TYPE", "/tasks"),
            (r#"{"tasks":[["a",[]]]}"#, "WRONG_TYPE", "/tasks/0"),
            (r#"{"tasks":[{},null]}"#, "WRONG_TYPE", "/tasks/1"),
            (r#"{"tasks":[{"description":5}]}"#, "WRONG_TYPE", "/tasks/0/description"),
            (
                r#"{"tasks":[{"assignee_emails":["a@b","c@d",1]}]}"#,
                "WRONG_TYPE",
                "/tasks/0/assignee_emails/2",
            ),
            (r#"{"tasks":[{"assignee_emails":"a@b"}]}"#, "WRONG_TYPE", "/tasks/0/assignee_emails"),
            (r#"{"task":[]}"#, "UNKNOWN_MEMBER", "/task"),
            (r#"{"tasks":[{"a~/b":1}]}"#, "UNKNOWN_MEMBER", "/tasks/0/a~0~1b"),
            (r#"{"tasks":[],"tasks":[]}"#, "DUPLICATE_MEMBER", "/tasks"),
            (
                r#"{"tasks":[{"description":"a","description":"b"}]}"#,
                "DUPLICATE_MEMBER",
                "/tasks/0/description",
            ),
        ];
        for (body, reason, pointer) in table {
            let expected = (reason.to_owned(), Some(pointer.to_owned()));
            assert_eq!(reason_and_pointer(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn what_is_not_json_is_reported_as_such() {
        let deep = "[".repeat(200);
        let deep_member = format!(r#"{{"tasks":[{{"x":{deep}"#);
        for body in [
            &b""[..],
            b"{",
            b"{} x",
            b"\xef\xbb\xbf{}",
            br#"{"tasks":[{"description":"\ud800"}]}"#,
            br#"{"tasks":[{"description":"\ud800x"}]}"#,
            b"{\"tasks\":[{\"description\":\"\xff\"}]}",
            b"{\"tasks\":[{\"description\":\"a\nb\"}]}",
            br#"{"tasks":[{"description":"cut"#,
            b"{'tasks':[]}",
        ] {
            let (reason, pointer) = reason_and_pointer(body);
            assert_eq!((reason.as_str(), pointer), ("INVALID_JSON", None), "{body:?}");
        }
        assert_eq!(reason_and_pointer(deep.as_bytes()).0, "WRONG_TYPE");
        assert_eq!(reason_and_pointer(deep_member.as_bytes()).0, "UNKNOWN_MEMBER");
    }

    #[test]
    fn a_long_quotation_is_cut() {
        let body = format!(r#"{{"{}":1}}"#, "é".repeat(10_000));
        let item = item(body.as_bytes());
        assert!(item.message.chars().count() <= MAX_CHARS);
        assert!(item.place.pointer().unwrap().chars().count() <= MAX_CHARS);
    }

    #[test]
    fn null_and_a_missing_member_are_the_same() {
        for body in ["{}", r#"{"tasks":null}"#, r#"{"tasks":[]}"#] {
            let Object(read) = serde_json::from_str::<Object<CreateTasks>>(body).unwrap();
            assert!(read.tasks.is_empty());
        }
        let body = r#"{"tasks":[{"description":null,"assignee_emails":null}]}"#;
        let Object(read) = serde_json::from_str::<Object<CreateTasks>>(body).unwrap();
        assert_eq!(read.tasks[0].0.description, "");
        assert!(read.tasks[0].0.assignee_emails.is_empty());
    }
}
