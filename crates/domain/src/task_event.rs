//! What was done to tasks, and by whom.

use std::time::SystemTime;

use crate::{CaseId, Description, EventId, KeyId, TaskId, User, UserId};

/// Something that was done to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskEvent {
    /// The event's id. The ids of a task's events ascend in the order of its changes. The tasks that
    /// one request has created have the event of that in common.
    pub id: EventId,
    /// The case to which the task belongs or belonged.
    pub case: CaseId,
    /// The task.
    pub task: TaskId,
    /// What was done.
    pub change: TaskChange,
    /// The API key by which it was done.
    pub key: KeyId,
    /// What that key is for.
    pub key_name: String,
    /// The id of the request in which it was done, as logs have it.
    pub request_id: String,
    /// When it was done, by the database's clock.
    pub created_at: SystemTime,
}

/// What was done to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskChange {
    /// It was created, with these assignees.
    Created(Assignees),
    /// It was completed.
    Completed,
    /// It was completed no longer.
    Reopened,
    /// It got another description: this one.
    Described(Description),
    /// It was assigned to further users; to nobody if only the order of its assignees was changed.
    Assigned(Assignees),
    /// It was taken from users.
    Unassigned(Assignees),
    /// It was deleted.
    Deleted,
}

/// How the assignees of a task were changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignees {
    /// The users who were added or removed, as they are named now. Users who no longer exist are
    /// left out.
    pub users: Vec<User>,
    /// All assignees after the change, in order.
    pub after: Vec<UserId>,
}
