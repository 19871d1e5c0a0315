//! What the database adds to a batch.

use std::time::SystemTime;

use domain::{Assignment, Task, TaskBatch, TaskId, User, UserId};

/// What the database adds to a batch when it creates it. Together with the batch it makes the
/// result: that of the first request, and that of each repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Creation {
    pub(super) created_at: SystemTime,
    /// The id of each task of the batch.
    pub(super) task_ids: Vec<i64>,
    /// For each assignment of its tasks, the user's id, first name and last name.
    pub(super) users: Vec<(i64, String, String)>,
}

impl Creation {
    /// Returns the tasks that were created from the batch; `None` if this belongs to another batch.
    pub(super) fn tasks(self, batch: TaskBatch) -> Option<Vec<Task>> {
        let mut users = self.users.into_iter();
        let mut user = |Assignment { email, .. }| {
            let (id, first_name, last_name) = users.next()?;
            Some(User { id: UserId::new(id)?, email, first_name, last_name })
        };
        let case = batch.case();
        let drafts = batch.into_tasks();
        if drafts.len() != self.task_ids.len() {
            return None;
        }
        let tasks = drafts.into_iter().zip(self.task_ids).map(|(draft, id)| {
            Some(Task {
                id: TaskId::new(id)?,
                case,
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
