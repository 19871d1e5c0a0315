//! Tasks, as they are stored.

use std::time::SystemTime;

use crate::{CaseId, Description, Operation, TaskId, User};

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The task's id.
    pub id: TaskId,
    /// The case to which it belongs.
    pub case: CaseId,
    /// What is to be done.
    pub description: Description,
    /// Whether it is done.
    pub completed: bool,
    /// The users who are to do it, in the order in which the request named them.
    pub assignees: Vec<User>,
    /// When it was created, by the database's clock.
    pub created_at: SystemTime,
    /// When it was last changed, by the database's clock.
    pub updated_at: SystemTime,
}

/// What a request with an idempotency key has created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// What the request asked for; `None` if this release doesn't know it.
    pub operation: Option<Operation>,
    /// The case, if the request created one.
    pub case: Option<CaseId>,
    /// The tasks, in the order of the request.
    pub tasks: Vec<TaskId>,
    /// When they were created, by the database's clock.
    pub created_at: SystemTime,
}

/// The result of creating a batch of tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTasks {
    /// The tasks, in the order of the request.
    pub tasks: Vec<Task>,
    /// Whether an earlier request with the same idempotency key created them.
    pub is_replay: bool,
}
