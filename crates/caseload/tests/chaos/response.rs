//! A successful response, in the same form over gRPC and REST.

use std::fmt::Write as _;

use proto::{
    Timestamp,
    tasks::v1::{Assignee, Task},
};
use serde::Deserialize;

/// The tasks that were created. Over REST, times have whole seconds only, so all times are truncated
/// to seconds.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) tasks: Vec<Task>,
    pub(crate) is_replay: bool,
}

impl Response {
    pub(crate) fn from_grpc(tasks: Vec<Task>, is_replay: bool) -> Self {
        let truncate = |time: Option<Timestamp>| time.map(|time| Timestamp { nanos: 0, ..time });
        let task = |task: Task| Task {
            created_at: truncate(task.created_at),
            updated_at: truncate(task.updated_at),
            // Over REST, these are not in the body.
            case_id: 0,
            etag: String::new(),
            ..task
        };
        let tasks = tasks.into_iter().map(task).collect();
        Self { tasks, is_replay }
    }

    pub(crate) fn from_rest(body: &[u8], is_replay: bool) -> Result<Self, serde_json::Error> {
        let body: Body = serde_json::from_slice(body)?;
        let task = |task: BodyTask| Task {
            id: task.id,
            description: task.description,
            completed: task.completed,
            assignees: task.assignees.into_iter().map(BodyAssignee::into_message).collect(),
            created_at: task.created_at.parse().ok(),
            updated_at: task.updated_at.parse().ok(),
            ..Task::default()
        };
        let tasks = body.tasks.into_iter().map(task).collect();
        Ok(Self { tasks, is_replay })
    }

    /// Returns the rows that the response promises, in the form in which the audit writes the rows
    /// of the database: tenant and case, then the id of each task with the ids of its assignees.
    pub(crate) fn expected_rows(&self, tenant: usize, case_id: i64) -> String {
        let mut rows = format!("{} {case_id}", tenant + 1);
        for task in &self.tasks {
            let users: Vec<_> = task.assignees.iter().map(|a| a.id.as_str()).collect();
            write!(rows, " {}:{}", task.id, users.join(",")).unwrap();
        }
        rows
    }
}

#[derive(Deserialize)]
struct Body {
    tasks: Vec<BodyTask>,
}

#[derive(Deserialize)]
struct BodyTask {
    id: i64,
    description: String,
    completed: bool,
    assignees: Vec<BodyAssignee>,
    created_at: String,
    updated_at: String,
}

#[derive(Deserialize)]
struct BodyAssignee {
    id: String,
    email: String,
    first_name: String,
    last_name: String,
}

impl BodyAssignee {
    fn into_message(self) -> Assignee {
        let Self { id, email, first_name, last_name } = self;
        Assignee { id, email, first_name, last_name }
    }
}
