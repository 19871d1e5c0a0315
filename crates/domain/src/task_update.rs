//! Changes to tasks: the input, checked.

use std::collections::HashSet;

use crate::{
    Assignment, CaseId, Description, FieldPath, Precondition, Reason, Rule, TaskBatch, TaskId,
    Violation, Violations,
};

/// A change to a task, as the caller sent it. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateDraft {
    /// The task's id.
    pub id: i64,
    /// What is to be done.
    pub description: Option<String>,
    /// Whether it is done.
    pub completed: Option<bool>,
    /// The emails of the users to assign, instead of those who are.
    pub assignee_emails: Option<Vec<String>>,
    /// The states to which the change may be made, as [`Precondition::parse`] reads them.
    pub etag: String,
    /// Whether the caller named another field to change than those above.
    pub names_other_field: bool,
}

/// Valid changes to 1 to 25 tasks of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskUpdates {
    /// The case.
    pub case: CaseId,
    /// The changes, each to another task.
    pub updates: Vec<TaskUpdate>,
}

/// A valid change to a task. What is `None` stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskUpdate {
    /// The task.
    pub task: TaskId,
    /// The states to which the change may be made.
    pub precondition: Precondition,
    /// What is to be done.
    pub description: Option<Description>,
    /// Whether it is done.
    pub completed: Option<bool>,
    /// The users to assign, instead of those who are: at most 50, each email once.
    pub assignments: Option<Vec<Assignment>>,
}

impl TaskUpdates {
    /// Broken by an empty list of tasks.
    pub const TASKS_REQUIRED: Rule =
        Rule { reason: Reason::Required, description: "1 to 25 tasks are required" };
    /// Broken past [`TaskBatch::MAX_TASKS`].
    pub const TOO_MANY_TASKS: Rule =
        Rule { reason: Reason::TooMany, description: "at most 25 tasks can be changed at once" };
    /// Broken by a task that is named twice.
    pub const DUPLICATE: Rule =
        Rule { reason: Reason::Duplicate, description: "the task is named twice" };
    /// Broken by a field mask with another path.
    pub const INVALID_MASK: Rule = Rule {
        reason: Reason::InvalidMask,
        description: "the fields are description, completed and assignee_emails, or * for all",
    };
    /// Broken by a task that does not exist.
    pub const NOT_FOUND: Rule =
        Rule { reason: Reason::TaskNotFound, description: "the case has no such task" };
    /// Broken by a task in another state than the caller named.
    pub const STALE: Rule =
        Rule { reason: Reason::EtagMismatch, description: "the task has been changed since" };

    /// Checks a request.
    ///
    /// # Errors
    /// Every violation, in the order of the request. Of a list that is too long, only the items
    /// within its limit are checked.
    pub fn parse(
        case_id: i64,
        tasks: impl ExactSizeIterator<Item = UpdateDraft>,
    ) -> Result<Self, Violations> {
        let mut violations = Vec::new();
        let mut report = |path, rule| violations.push(Violation { path, rule });
        let case = CaseId::new(case_id);
        if case.is_none() {
            report(FieldPath::new("case_id"), &CaseId::NOT_POSITIVE);
        }
        match tasks.len() {
            0 => report(FieldPath::new("tasks"), &Self::TASKS_REQUIRED),
            1..=TaskBatch::MAX_TASKS => {}
            _ => report(FieldPath::new("tasks"), &Self::TOO_MANY_TASKS),
        }
        let mut ids = HashSet::new();
        let mut updates = Vec::with_capacity(tasks.len().min(TaskBatch::MAX_TASKS));
        for (index, draft) in tasks.take(TaskBatch::MAX_TASKS).enumerate() {
            let task = TaskId::new(draft.id);
            match task {
                None => report(FieldPath::at("tasks[*].id", index), &TaskId::NOT_POSITIVE),
                Some(task) if !ids.insert(task) => {
                    report(FieldPath::at("tasks[*].id", index), &Self::DUPLICATE);
                }
                Some(_) => {}
            }
            let description = draft.description.and_then(|text| {
                let path = FieldPath::at("tasks[*].description", index);
                Description::parse(text).map_err(|rule| report(path, rule)).ok()
            });
            let assignments = draft
                .assignee_emails
                .map(|emails| Assignment::parse_all(index, emails, &mut report));
            if draft.names_other_field {
                report(FieldPath::at("tasks[*].update_mask", index), &Self::INVALID_MASK);
            }
            let precondition = Precondition::parse(&draft.etag);
            let completed = draft.completed;
            updates.extend(task.map(|task| TaskUpdate {
                task,
                precondition,
                description,
                completed,
                assignments,
            }));
        }
        match case.filter(|_| violations.is_empty()) {
            Some(case) => Ok(Self { case, updates }),
            None => Err(Violations(violations)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(id: i64) -> UpdateDraft {
        UpdateDraft { id, ..UpdateDraft::default() }
    }

    fn violations(case_id: i64, drafts: Vec<UpdateDraft>) -> Vec<String> {
        TaskUpdates::parse(case_id, drafts.into_iter())
            .unwrap_err()
            .as_slice()
            .iter()
            .map(|violation| format!("{} {:?}", violation.path, violation.rule.reason))
            .collect()
    }

    #[test]
    fn takes_1_to_25_different_tasks() {
        assert_eq!(violations(1, vec![]), ["tasks Required"]);
        let tasks = |n| (1..=n).map(draft).collect::<Vec<_>>();
        assert_eq!(TaskUpdates::parse(1, tasks(25).into_iter()).unwrap().updates.len(), 25);
        assert_eq!(violations(1, tasks(26)), ["tasks TooMany"]);
        assert_eq!(violations(1, vec![draft(2), draft(1), draft(2)]), ["tasks[2].id Duplicate"]);
    }

    #[test]
    fn what_is_absent_stays_and_what_is_empty_is_set() {
        let cleared = UpdateDraft { assignee_emails: Some(vec![]), ..draft(2) };
        let updates = TaskUpdates::parse(1, vec![draft(1), cleared].into_iter()).unwrap().updates;
        assert_eq!(updates[0].assignments, None);
        assert_eq!((&updates[0].description, updates[0].completed), (&None, None));
        assert_eq!(updates[1].assignments, Some(vec![]));
    }

    #[test]
    fn reports_every_violation_in_the_order_of_the_request() {
        let drafts = vec![
            UpdateDraft { description: Some(" ".to_owned()), ..draft(0) },
            UpdateDraft {
                assignee_emails: Some(vec!["x".to_owned(); 51]),
                names_other_field: true,
                ..draft(-1)
            },
        ];
        let mut expected = vec![
            "case_id NotPositive".to_owned(),
            "tasks[0].id NotPositive".to_owned(),
            "tasks[0].description Required".to_owned(),
            "tasks[1].id NotPositive".to_owned(),
            "tasks[1].assignee_emails TooMany".to_owned(),
        ];
        expected.extend((0..50).map(|n| format!("tasks[1].assignee_emails[{n}] InvalidEmail")));
        expected.push("tasks[1].update_mask InvalidMask".to_owned());
        assert_eq!(violations(-1, drafts), expected);
    }
}
