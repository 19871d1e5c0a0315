//! What the database adds to a batch.

use std::time::SystemTime;

use domain::{Assignment, Task, TaskBatch, TaskId, User, UserId};

/// What the database adds to a batch when it is created. With the batch itself it makes the
/// answer: the first time, and each time that the request is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Creation {
    pub(super) created_at: SystemTime,
    /// For each task of the batch.
    pub(super) task_ids: Vec<i64>,
    /// For each assignment of its tasks: id, first name, last name.
    pub(super) users: Vec<(i64, String, String)>,
}

impl Creation {
    /// The tasks of the batch that this was made for; nothing where it was made for another.
    pub(super) fn tasks(self, batch: TaskBatch) -> Option<Vec<Task>> {
        let mut users = self.users.into_iter();
        let mut user = |Assignment { email, .. }| {
            let (id, first_name, last_name) = users.next()?;
            Some(User { id: UserId::new(id)?, email, first_name, last_name })
        };
        let drafts = batch.into_tasks();
        if drafts.len() != self.task_ids.len() {
            return None;
        }
        let tasks = drafts.into_iter().zip(self.task_ids).map(|(draft, id)| {
            Some(Task {
                id: TaskId::new(id)?,
                description: draft.description,
                completed: false,
                assignees: draft.assignments.into_iter().map(&mut user).collect::<Option<_>>()?,
                created_at: self.created_at,
                updated_at: self.created_at,
            })
        });
        tasks.collect()
    }
}
