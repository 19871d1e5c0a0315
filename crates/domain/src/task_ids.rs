//! Several tasks of a case, by their ids.

use std::collections::HashSet;

use crate::{
    CaseId, FieldPath, Precondition, Reason, Rule, TaskBatch, TaskId, TaskUpdates, Violation,
    Violations,
};

/// 1 to 25 tasks of a case, each named once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskIds {
    /// The case.
    pub case: CaseId,
    /// The tasks, in the order of the request.
    pub tasks: Vec<TaskId>,
    /// The states that they may be in; of one task only.
    pub precondition: Precondition,
}

impl TaskIds {
    /// Broken by an empty list.
    pub const REQUIRED: Rule =
        Rule { reason: Reason::Required, description: "the ids of 1 to 25 tasks are required" };
    /// Broken past [`TaskBatch::MAX_TASKS`].
    pub const TOO_MANY: Rule =
        Rule { reason: Reason::TooMany, description: "at most 25 tasks can be named at once" };

    /// Checks a request.
    ///
    /// # Errors
    /// Every violation, in the order of the request. Of a list that is too long, only the items
    /// within its limit are checked.
    pub fn parse(case_id: i64, task_ids: &[i64]) -> Result<Self, Violations> {
        let mut violations = Vec::new();
        let mut report = |path, rule| violations.push(Violation { path, rule });
        let case = CaseId::new(case_id);
        if case.is_none() {
            report(FieldPath::new("case_id"), &CaseId::NOT_POSITIVE);
        }
        match task_ids.len() {
            0 => report(FieldPath::new("task_ids"), &Self::REQUIRED),
            1..=TaskBatch::MAX_TASKS => {}
            _ => report(FieldPath::new("task_ids"), &Self::TOO_MANY),
        }
        let mut seen = HashSet::new();
        let mut tasks = Vec::with_capacity(task_ids.len().min(TaskBatch::MAX_TASKS));
        for (index, id) in task_ids.iter().take(TaskBatch::MAX_TASKS).enumerate() {
            let path = FieldPath::at("task_ids[*]", index);
            match TaskId::new(*id) {
                None => report(path, &TaskId::NOT_POSITIVE),
                Some(task) if !seen.insert(task) => report(path, &TaskUpdates::DUPLICATE),
                Some(task) => tasks.push(task),
            }
        }
        match case.filter(|_| violations.is_empty()) {
            Some(case) => Ok(Self { case, tasks, precondition: Precondition::None }),
            None => Err(Violations(violations)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(case_id: i64, ids: &[i64]) -> Vec<String> {
        TaskIds::parse(case_id, ids)
            .unwrap_err()
            .as_slice()
            .iter()
            .map(|violation| format!("{} {:?}", violation.path, violation.rule.reason))
            .collect()
    }

    #[test]
    fn takes_1_to_25_different_ids() {
        let ids: Vec<i64> = (1..=26).collect();
        assert_eq!(TaskIds::parse(1, &ids[..25]).unwrap().tasks.len(), 25);
        assert_eq!(violations(1, &ids), ["task_ids TooMany"]);
        assert_eq!(violations(1, &[]), ["task_ids Required"]);
        assert_eq!(
            violations(0, &[1, 0, 1]),
            ["case_id NotPositive", "task_ids[1] NotPositive", "task_ids[2] Duplicate"]
        );
    }
}
