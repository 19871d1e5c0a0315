//! The bodies of requests.

use proto::wire::{FieldReason, limits};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    extract::{BodyId, Object, RequestBody, null_as_default},
    openapi::schema::{self, AssigneeEmails, NamedTask, NewDescription, Precondition},
};

/// Tasks to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateTasks {
    /// The tasks.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = NewTasks, required)]
    pub(crate) tasks: Vec<Object<NewTask>>,
}

/// A task to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTask {
    /// The description, not counting white space at both ends, which is removed.
    // Empty if it is missing: the server rejects both alike, with the path of the field.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = NewDescription, required)]
    pub(crate) description: String,
    /// The emails of the users to whom the task is assigned, in lower or upper case. An email that is
    /// given more than once counts once, at its first position.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = Option<AssigneeEmails>)]
    pub(crate) assignee_emails: Vec<String>,
}

/// What to change of a task. What is absent or `null` stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateTask {
    /// The new description.
    #[serde(default)]
    #[schema(value_type = Option<NewDescription>)]
    pub(crate) description: Option<String>,
    /// Whether the task is completed.
    #[serde(default)]
    pub(crate) completed: Option<bool>,
    /// The emails of the users to whom the task is assigned instead of those to whom it is, in this
    /// order. `[]` clears them.
    #[serde(default)]
    #[schema(value_type = Option<AssigneeEmails>)]
    pub(crate) assignee_emails: Option<Vec<String>>,
}

/// Tasks to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateTasks {
    /// What to change, each of another task.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = TaskChanges, required)]
    pub(crate) tasks: Vec<Object<TaskChange>>,
}

/// What to change of one of several tasks. What is absent or `null` stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskChange {
    /// The id of the task.
    // 0 if it is missing: the server rejects both alike, with the path of the field.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = NamedTask, required)]
    pub(crate) id: BodyId,
    /// The new description.
    #[serde(default)]
    #[schema(value_type = Option<NewDescription>)]
    pub(crate) description: Option<String>,
    /// Whether the task is completed.
    #[serde(default)]
    pub(crate) completed: Option<bool>,
    /// The emails of the users to whom the task is assigned instead of those to whom it is, in this
    /// order. `[]` clears them.
    #[serde(default)]
    #[schema(value_type = Option<AssigneeEmails>)]
    pub(crate) assignee_emails: Option<Vec<String>>,
    /// The states in which the task may be changed: a list of entity tags, or `*`, as in `If-Match`.
    /// Empty is no condition.
    #[serde(default)]
    #[schema(value_type = Option<Precondition>)]
    pub(crate) etag: Option<String>,
}

/// Tasks to delete.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteTasks {
    /// The ids of the tasks.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = TaskIds, required)]
    pub(crate) task_ids: Vec<BodyId>,
}

schema::lists! {
    /// The tasks of a batch to create.
    NewTasks = [NewTask; 1, Some(limits::BATCH_TASKS)] |list| {
        list.extensions(schema::reasons(&[FieldReason::Required, FieldReason::TooMany]))
    };
    /// The changes of a batch.
    TaskChanges = [TaskChange; 1, Some(limits::BATCH_TASKS)] |list| {
        // Two that are equal name the same task.
        list.unique_items(true)
            .extensions(schema::reasons(&[FieldReason::Required, FieldReason::TooMany]))
    };
    /// The ids of a batch to delete.
    TaskIds = [NamedTask; 1, Some(limits::BATCH_TASKS)] |list| {
        list.unique_items(true)
            .extensions(schema::reasons(&[FieldReason::Required, FieldReason::TooMany]))
    };
}

impl RequestBody for CreateTasks {
    fn list_bytes(&self) -> usize {
        let emails = self.tasks.iter().map(|task| task.0.assignee_emails.capacity());
        self.tasks.capacity() * size_of::<NewTask>() + emails.sum::<usize>() * size_of::<String>()
    }
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
        self.task_ids.capacity() * size_of::<BodyId>()
    }
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
