//! Tasks and users, as the database has them.

use std::time::SystemTime;

use crate::{Description, Email, TaskId, UserId};

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What is to be done.
    pub description: Description,
    /// Whether it is done.
    pub completed: bool,
    /// Who is to do it, in the order in which they were named.
    pub assignees: Vec<User>,
    /// When it was created, by the database's clock.
    pub created_at: SystemTime,
    /// When it was last changed.
    pub updated_at: SystemTime,
}

/// What a batch was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its tasks, in the order of the request.
    pub tasks: Vec<Task>,
    /// Whether they were created by an earlier request, which this one repeats.
    pub is_replay: bool,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their email, unique in the tenant.
    pub email: Email,
    /// Their first name; may be empty.
    pub first_name: String,
    /// Their last name; may be empty.
    pub last_name: String,
}
