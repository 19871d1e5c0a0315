//! Which tasks a list has.

use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use crate::{CaseId, Email, ListFilter, time::micros};

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

impl ListFilter for TaskFilter {
    fn hash(&self, hash: &mut Sha256) {
        hash.update(self.case().map_or(0, CaseId::get).to_be_bytes());
        hash.update([match self.completed {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        }]);
        hash.update(micros(self.updated_after).to_be_bytes());
        // The only field of variable length is the last one.
        hash.update(self.assignee().map_or("", |email| email.as_str()));
    }
}
