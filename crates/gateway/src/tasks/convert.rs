//! Between the documented JSON and the messages of the gRPC contract.

use proto::{Timestamp, tasks::v1};

use super::dto;
use crate::extract::Object;

pub(crate) fn to_request(
    case_id: i64,
    body: dto::CreateTasks,
    idempotency_key: Option<String>,
) -> v1::BatchCreateTasksRequest {
    let tasks = body.tasks.into_iter().map(|Object(task)| v1::NewTask {
        description: task.description,
        assignee_emails: task.assignee_emails,
    });
    let request_id = idempotency_key.unwrap_or_default();
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

/// Writes times, and keeps the last one: the tasks of a batch have the same time, and writing it
/// takes longer than converting all else of a task.
#[derive(Default)]
struct Times {
    last: Option<(i64, String)>,
}

impl Times {
    /// Returns a time as documented: ISO 8601 in UTC, cut to whole seconds, as in
    /// `2024-03-25T15:40:39Z`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_to_whole_seconds() {
        let mut times = Times::default();
        let mut write = |seconds, nanos| times.write(Some(Timestamp { seconds, nanos }));
        assert_eq!(write(1_711_381_239, 999_999_999), "2024-03-25T15:40:39Z");
        assert_eq!(write(1_711_381_239, 0), "2024-03-25T15:40:39Z");
        assert_eq!(write(1_711_381_240, 0), "2024-03-25T15:40:40Z");
    }
}
