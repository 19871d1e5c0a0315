//! The JSON of results. Tasks are as in the documents of the REST API, whose ids are numbers, those of
//! users strings.

use proto::{Timestamp, tasks::v1};
use serde::Serialize;

/// A task.
#[derive(Debug, Serialize)]
pub(crate) struct Task {
    id: i64,
    /// Only in lists over several cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    case_id: Option<i64>,
    description: String,
    completed: bool,
    assignees: Vec<Assignee>,
    created_at: Option<String>,
    updated_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct Assignee {
    id: String,
    email: String,
    first_name: String,
    last_name: String,
}

/// A task that was deleted.
#[derive(Debug, Serialize)]
pub(crate) struct DestroyedTask {
    pub(crate) destroyed_id: String,
}

impl Task {
    /// Converts a task of the gRPC contract.
    pub(crate) fn new(task: v1::Task, with_case: bool) -> Self {
        let assignees = task.assignees.into_iter().map(|assignee| Assignee {
            id: assignee.id,
            email: assignee.email,
            first_name: assignee.first_name,
            last_name: assignee.last_name,
        });
        Self {
            id: task.id,
            case_id: with_case.then_some(task.case_id),
            description: task.description,
            completed: task.completed,
            assignees: assignees.collect(),
            created_at: task.created_at.map(time),
            updated_at: task.updated_at.map(time),
        }
    }
}

/// Returns a time in UTC, cut to whole seconds, as in `2024-03-25T15:40:39Z`.
pub(crate) fn time(Timestamp { seconds, .. }: Timestamp) -> String {
    Timestamp { seconds, nanos: 0 }.to_string()
}
