//! Converts between what the test says and the messages of the contract.

use proto::{
    Timestamp,
    cases::v1::{self, CaseStatus, Priority},
    tasks::v1::{Assignee, Task as TaskMessage},
};

use crate::directory::model::state::{Case, Person, Task, Times};

/// A name that there is not becomes a number that there is not.
pub(super) fn priority(name: Option<&str>) -> i32 {
    name.map_or(0, |name| {
        Priority::from_str_name(&format!("PRIORITY_{name}")).map_or(99, i32::from)
    })
}

pub(super) fn status(name: Option<&str>) -> i32 {
    name.map_or(0, |name| {
        CaseStatus::from_str_name(&format!("CASE_STATUS_{name}")).map_or(99, i32::from)
    })
}

pub(super) fn case(case: v1::Case, external_id: Option<String>) -> Case {
    let name = |name: &str, prefix| name.strip_prefix(prefix).unwrap().to_owned();
    Case {
        id: Some(case.id).filter(|id| *id != 0),
        external_id,
        priority: name(case.priority().as_str_name(), "PRIORITY_"),
        status: name(case.status().as_str_name(), "CASE_STATUS_"),
        times: times(case.created_at, case.updated_at),
        name: case.name,
        description: case.description,
        team_id: case.team_id,
    }
}

pub(super) fn tasks(tasks: impl IntoIterator<Item = TaskMessage>) -> Vec<Task> {
    let task = |task: TaskMessage| Task {
        id: task.id,
        description: task.description,
        assignees: task.assignees.into_iter().map(person).collect(),
        times: times(task.created_at, task.updated_at),
    };
    tasks.into_iter().map(task).collect()
}

fn times(created_at: Option<Timestamp>, updated_at: Option<Timestamp>) -> Option<Times> {
    let (created_at, updated_at) = (micros(created_at?), micros(updated_at?));
    Some(Times { created_at, updated_at, unit: 1 })
}

/// Returns a time in microseconds since 1970.
pub(in crate::directory::model) fn micros(time: Timestamp) -> i64 {
    time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000
}

/// Returns a user as tasks and their histories have them.
pub(in crate::directory::model) fn person(user: Assignee) -> Person {
    Person {
        id: user.id.parse().unwrap(),
        email: user.email,
        first_name: user.first_name,
        last_name: user.last_name,
    }
}
