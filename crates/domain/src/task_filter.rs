//! Which tasks a list has.

use std::time::SystemTime;

use crate::{CaseId, Email};

/// Which tasks are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFilter {
    /// Of which case, or of which user, or both.
    pub scope: TaskScope,
    /// Only tasks that are, or are not, completed.
    pub completed: Option<bool>,
    /// Only tasks that were changed later than this.
    pub updated_after: Option<SystemTime>,
}

/// Whose tasks are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskScope {
    /// Those of a case.
    Case(CaseId),
    /// Those of a user, in all cases.
    Assignee(Email),
    /// Those of a user in one case.
    Both(CaseId, Email),
}

impl TaskFilter {
    /// Returns the case, if the list is of one.
    #[must_use]
    pub fn case(&self) -> Option<CaseId> {
        match &self.scope {
            TaskScope::Case(case) | TaskScope::Both(case, _) => Some(*case),
            TaskScope::Assignee(_) => None,
        }
    }

    /// Returns the email of the user, if the list is of one.
    #[must_use]
    pub fn assignee(&self) -> Option<&Email> {
        match &self.scope {
            TaskScope::Assignee(email) | TaskScope::Both(_, email) => Some(email),
            TaskScope::Case(_) => None,
        }
    }
}
