//! The documented JSON.
//!
//! These types are the gateway's own, since protobuf's JSON mapping writes an int64 as a string
//! and the documented API writes a number.

use serde::{Deserialize, Deserializer, Serialize};

use crate::extract::{Object, RequestBody};

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

/// The body of the response.
#[derive(Debug, Serialize)]
pub(crate) struct CreatedTasks {
    pub(crate) tasks: Vec<Task>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Task {
    pub(crate) id: i64,
    pub(crate) description: String,
    pub(crate) completed: bool,
    pub(crate) assignees: Vec<Assignee>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Assignee {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
}

/// Reads a member that may be null. In the documented API, null and a missing member are the same.
fn null_as_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
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
        (item.details, item.pointer)
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
        assert!(item.pointer.unwrap().chars().count() <= MAX_CHARS);
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
