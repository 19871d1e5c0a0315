//! Converts between what the test says and the messages of the contract.

use proto::{
    cases::v1::{self, CaseStatus, Priority},
    tasks::v1::{Assignee, Task as TaskMessage},
};

use crate::directory::model::state::{Case, Person, Task};

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
    };
    tasks.into_iter().map(task).collect()
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
