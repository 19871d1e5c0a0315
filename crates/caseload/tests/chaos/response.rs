//! An answer, the same whichever door it came through.

use std::fmt::Write as _;

use proto::{
    Timestamp,
    tasks::v1::{Assignee, BatchCreateTasksResponse, Task},
};
use serde::Deserialize;

/// The tasks that were created. REST tells times in whole seconds, so they are cut to these.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) tasks: Vec<Task>,
    pub(crate) is_replay: bool,
}

impl Answer {
    pub(crate) fn of_grpc(response: BatchCreateTasksResponse, is_replay: bool) -> Self {
        let cut = |time: Option<Timestamp>| time.map(|time| Timestamp { nanos: 0, ..time });
        let task = |task: Task| Task {
            created_at: cut(task.created_at),
            updated_at: cut(task.updated_at),
            ..task
        };
        let tasks = response.tasks.into_iter().map(task).collect();
        Self { tasks, is_replay }
    }

    pub(crate) fn of_rest(body: &[u8], is_replay: bool) -> Result<Self, serde_json::Error> {
        let body: Body = serde_json::from_slice(body)?;
        let task = |task: BodyTask| Task {
            id: task.id,
            description: task.description,
            completed: task.completed,
            assignees: task.assignees.into_iter().map(BodyAssignee::into_message).collect(),
            created_at: task.created_at.parse().ok(),
            updated_at: task.updated_at.parse().ok(),
        };
        let tasks = body.tasks.into_iter().map(task).collect();
        Ok(Self { tasks, is_replay })
    }

    /// What the database must hold: in the words of the audit's query.
    pub(crate) fn line(&self, tenant: usize, case_id: i64) -> String {
        let mut line = format!("{} {case_id}", tenant + 1);
        for task in &self.tasks {
            let users: Vec<_> = task.assignees.iter().map(|a| a.id.as_str()).collect();
            write!(line, " {}:{}", task.id, users.join(",")).unwrap();
        }
        line
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
