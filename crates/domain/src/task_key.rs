//! What names one task.

use sha2::{Digest as _, Sha256};

use crate::{CaseId, FieldPath, ListFilter, TaskId, Violation, Violations};

/// A task of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskKey {
    /// The case.
    pub case: CaseId,
    /// The task.
    pub task: TaskId,
}

/// The list of what was done to the task.
impl ListFilter for TaskKey {
    fn hash(&self, hash: &mut Sha256) {
        hash.update(self.case.get().to_be_bytes());
        hash.update(self.task.get().to_be_bytes());
        // No list of tasks ends in this: it is no email.
        hash.update("task events");
    }
}

impl TaskKey {
    /// Checks the ids of a case and of a task of it.
    ///
    /// # Errors
    /// A violation for each of them that is not positive.
    pub fn parse(case: i64, task: i64) -> Result<Self, Violations> {
        let (case, task) = (CaseId::new(case), TaskId::new(task));
        if let (Some(case), Some(task)) = (case, task) {
            return Ok(Self { case, task });
        }
        let mut violations = Vec::new();
        if case.is_none() {
            let path = FieldPath::new("case_id");
            violations.push(Violation { path, rule: &CaseId::NOT_POSITIVE });
        }
        if task.is_none() {
            let path = FieldPath::new("task_id");
            violations.push(Violation { path, rule: &TaskId::NOT_POSITIVE });
        }
        Err(Violations(violations))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ids_are_checked() {
        let fields = |case, task| match TaskKey::parse(case, task) {
            Ok(_) => vec![],
            Err(violations) => {
                violations.as_slice().iter().map(|violation| violation.path.to_string()).collect()
            }
        };
        assert!(fields(1, 2).is_empty());
        assert_eq!(fields(0, 2), ["case_id"]);
        assert_eq!(fields(1, -2), ["task_id"]);
        assert_eq!(fields(-1, 0), ["case_id", "task_id"]);
    }
}
