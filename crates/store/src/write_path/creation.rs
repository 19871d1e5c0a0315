//! What the database adds to tasks that are to be created.

use std::time::SystemTime;

use domain::{Assignment, CaseId, Email, NewTask, Rule, Task, TaskId, User, UserId, Violation};

/// The id, the first name and the last name of a user.
pub(crate) type FoundUser = (i64, String, String);

/// What the database adds to tasks when it creates them. Together with the request it makes the
/// result: that of the first request, and that of each repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Creation {
    pub(crate) created_at: SystemTime,
    /// The id of each task.
    pub(crate) task_ids: Vec<i64>,
    /// For each assignment of the tasks, the user.
    pub(crate) users: Vec<FoundUser>,
}

impl Creation {
    /// Returns the tasks that were created in the case from these; `None` if this belongs to others.
    pub(crate) fn tasks(self, case: CaseId, drafts: Vec<NewTask>) -> Option<Vec<Task>> {
        let mut users = self.users.into_iter();
        let mut user = |Assignment { email, .. }| {
            let (id, first_name, last_name) = users.next()?;
            Some(User { id: UserId::new(id)?, email, first_name, last_name })
        };
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

/// Returns the user whom a statement has found for an email. Of a deactivated one it returns the names,
/// but not the id.
///
/// # Errors
/// The rule that an email breaks which no active user has.
pub(crate) fn found_user(
    id: Option<i64>,
    first_name: Option<String>,
    last_name: Option<String>,
) -> Result<FoundUser, &'static Rule> {
    match (id, first_name, last_name) {
        (Some(id), Some(first_name), Some(last_name)) => Ok((id, first_name, last_name)),
        (None, Some(_), _) => Err(&Email::USER_DEACTIVATED),
        _ => Err(&Email::UNKNOWN_USER),
    }
}

/// Returns the users to whom tasks are to be assigned, and a violation for each who does not exist or is
/// deactivated.
pub(crate) fn users_of(
    tasks: &[NewTask],
    mut found: impl Iterator<Item = Result<FoundUser, &'static Rule>>,
) -> (Vec<FoundUser>, Vec<Violation>) {
    let mut users = Vec::new();
    let mut violations = Vec::new();
    for (task, NewTask { assignments, .. }) in tasks.iter().enumerate() {
        for Assignment { index, .. } in assignments {
            match found.next().unwrap_or(Err(&Email::UNKNOWN_USER)) {
                Ok(user) => users.push(user),
                Err(rule) => {
                    violations.push(Violation { path: Assignment::path(task, *index), rule });
                }
            }
        }
    }
    (users, violations)
}
