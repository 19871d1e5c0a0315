//! A batch of tasks to create: the input, checked.

use crate::{
    CaseId, FieldPath, Fingerprint, FingerprintVersion, IdempotencyKey, Idempotent, NewTask,
    Operation, Reason, Rule, TaskDraft, Violation, Violations, idempotency::FingerprintV1,
};

/// A valid batch: a case, 1 to 25 tasks to create in it, and possibly an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskBatch {
    case: CaseId,
    tasks: Vec<NewTask>,
    idempotency_key: Option<IdempotencyKey>,
    operation: Operation,
}

impl TaskBatch {
    /// The most tasks of a batch.
    pub const MAX_TASKS: usize = 25;

    /// Broken by an empty list of tasks.
    pub const TASKS_REQUIRED: Rule =
        Rule { reason: Reason::Required, description: "1 to 25 tasks are required" };
    /// Broken past [`Self::MAX_TASKS`].
    pub const TOO_MANY_TASKS: Rule =
        Rule { reason: Reason::TooMany, description: "at most 25 tasks can be created at once" };

    /// Checks a request. An empty idempotency key counts as none.
    ///
    /// # Errors
    /// Every violation, in the order of the request. Of a list that is too long, only the items
    /// within its limit are checked.
    pub fn parse(
        case_id: i64,
        tasks: impl ExactSizeIterator<Item = TaskDraft>,
        idempotency_key: String,
    ) -> Result<Self, Violations> {
        let mut violations = Vec::new();
        let mut report = |path, rule| violations.push(Violation { path, rule });
        let case = CaseId::new(case_id);
        if case.is_none() {
            report(FieldPath::new("case_id"), &CaseId::NOT_POSITIVE);
        }
        match tasks.len() {
            0 => report(FieldPath::new("tasks"), &Self::TASKS_REQUIRED),
            1..=Self::MAX_TASKS => {}
            _ => report(FieldPath::new("tasks"), &Self::TOO_MANY_TASKS),
        }
        let tasks = NewTask::parse_all(tasks.take(Self::MAX_TASKS), &mut report);
        let idempotency_key = IdempotencyKey::parse_optional(idempotency_key, &mut report);
        match case.filter(|_| violations.is_empty()) {
            Some(case) => {
                Ok(Self { case, tasks, idempotency_key, operation: Operation::BatchCreateTasks })
            }
            None => Err(Violations(violations)),
        }
    }

    /// Checks a request to create one task, as [`Self::parse`] does.
    ///
    /// # Errors
    /// Every violation, as of a batch.
    pub fn parse_one(
        case_id: i64,
        task: TaskDraft,
        idempotency_key: String,
    ) -> Result<Self, Violations> {
        let batch = Self::parse(case_id, [task].into_iter(), idempotency_key)?;
        Ok(Self { operation: Operation::CreateTask, ..batch })
    }

    /// Returns the case.
    #[must_use]
    pub fn case(&self) -> CaseId {
        self.case
    }

    /// Returns the tasks, 1 to 25.
    #[must_use]
    pub fn tasks(&self) -> &[NewTask] {
        &self.tasks
    }

    /// Returns the tasks, owned.
    #[must_use]
    pub fn into_tasks(self) -> Vec<NewTask> {
        self.tasks
    }
}

impl Idempotent for TaskBatch {
    fn operation(&self) -> Operation {
        self.operation
    }

    fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.idempotency_key.as_ref()
    }

    fn fingerprint(&self, version: FingerprintVersion) -> Fingerprint {
        match version {
            FingerprintVersion::V1 => {
                let mut hash = FingerprintV1::default();
                hash.integer(self.case.get());
                NewTask::hash_all(&self.tasks, &mut hash);
                hash.finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{Assignment, Description, Email};

    fn draft(description: &str, emails: &[&str]) -> TaskDraft {
        TaskDraft {
            description: description.to_owned(),
            assignee_emails: emails.iter().map(ToString::to_string).collect(),
        }
    }

    fn violations(case_id: i64, tasks: Vec<TaskDraft>) -> Vec<String> {
        TaskBatch::parse(case_id, tasks.into_iter(), String::new())
            .unwrap_err()
            .as_slice()
            .iter()
            .map(|violation| format!("{} {:?}", violation.path, violation.rule.reason))
            .collect()
    }

    #[test]
    fn takes_1_to_25_tasks() {
        assert_eq!(violations(1, vec![]), ["tasks Required"]);
        assert!(TaskBatch::parse(1, vec![draft("a", &[]); 25].into_iter(), String::new()).is_ok());
        assert_eq!(violations(1, vec![draft("a", &[]); 26]), ["tasks TooMany"]);
    }

    #[test]
    fn takes_50_emails_a_task_and_counts_one_given_twice_once() {
        let emails = |n| vec!["a@b".to_owned(); n];
        let task = |n| TaskDraft { description: "a".to_owned(), assignee_emails: emails(n) };
        let batch = TaskBatch::parse(1, vec![task(50)].into_iter(), String::new()).unwrap();
        assert_eq!(batch.tasks()[0].assignments.len(), 1);
        assert_eq!(violations(1, vec![task(51)]), ["tasks[0].assignee_emails TooMany"]);
    }

    #[test]
    fn keeps_the_first_index_of_an_email() {
        let tasks = vec![draft("a", &["b@x", "A@X", "a@x", "B@x", "c@x"])];
        let batch = TaskBatch::parse(1, tasks.into_iter(), String::new()).unwrap();
        let kept: Vec<_> =
            batch.tasks()[0].assignments.iter().map(|a| (a.email.as_str(), a.index)).collect();
        assert_eq!(kept, [("b@x", 0), ("a@x", 1), ("c@x", 4)]);
    }

    #[test]
    fn reports_every_violation_in_the_order_of_the_request() {
        let long = format!("{}@x", "a".repeat(300));
        let tasks = vec![
            draft(" ", &["a@x"]),
            draft("a\0", &["nobody", "a@x", &long]),
            draft("fine", &[]),
            draft(&"x".repeat(10_001), &[]),
        ];
        assert_eq!(
            violations(0, tasks),
            [
                "case_id NotPositive",
                "tasks[0].description Required",
                "tasks[1].description ContainsNul",
                "tasks[1].assignee_emails[0] InvalidEmail",
                "tasks[1].assignee_emails[2] TooLong",
                "tasks[3].description TooLong",
            ]
        );
    }

    #[test]
    fn an_idempotency_key_is_checked_with_the_rest() {
        let parse =
            |id: &str, text| TaskBatch::parse(1, vec![draft(text, &[])].into_iter(), id.to_owned());
        assert_eq!(parse("", "a").unwrap().idempotency_key(), None);
        assert_eq!(parse("x-1", "a").unwrap().idempotency_key().unwrap().as_str(), "x-1");
        let violations = parse("a b", "").unwrap_err();
        let paths: Vec<_> = violations.as_slice().iter().map(|v| v.path.to_string()).collect();
        assert_eq!(paths, ["tasks[0].description", "request_id"]);
    }

    /// Fingerprints are stored: what a version makes of a batch must stay the same.
    #[test]
    fn a_fingerprint_of_version_1_is_what_it_was_when_records_had_no_version() {
        let tasks = vec![draft("Call back", &["a@example.com", "B@example.com"]), draft("é", &[])];
        let batch = TaskBatch::parse(7, tasks.into_iter(), "k".to_owned()).unwrap();
        let fingerprint = batch.fingerprint(FingerprintVersion::V1);
        let hex: String = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "60f92e853ccc0204e9b6c799855997243617a3f06ff11a6b292f2e587c6c027d");
    }

    #[test]
    fn a_fingerprint_tells_every_part_apart_and_nothing_else() {
        let of = |case_id, drafts: &[(&str, &[&str])]| {
            let drafts: Vec<_> = drafts.iter().map(|(text, emails)| draft(text, emails)).collect();
            TaskBatch::parse(case_id, drafts.into_iter(), String::new())
                .unwrap()
                .fingerprint(FingerprintVersion::V1)
        };
        let base = of(1, &[("a", &["x@y", "z@y"]), ("b", &[])]);
        assert_eq!(base, of(1, &[(" a ", &["X@y", "x@y", "z@y"]), ("b", &[])]));
        for other in [
            of(2, &[("a", &["x@y", "z@y"]), ("b", &[])]),
            of(1, &[("a", &["z@y", "x@y"]), ("b", &[])]),
            of(1, &[("a", &["x@y"]), ("b", &["z@y"])]),
            of(1, &[("b", &["x@y", "z@y"]), ("a", &[])]),
            of(1, &[("a", &["x@y", "z@y"])]),
            of(1, &[("A", &["x@y", "z@y"]), ("b", &[])]),
        ] {
            assert_ne!(base, other);
        }
    }

    fn any_draft() -> impl Strategy<Value = TaskDraft> {
        (any::<String>(), vec(prop_oneof!["[a-cA-C]@[xX]", any::<String>()], 0..60))
            .prop_map(|(description, assignee_emails)| TaskDraft { description, assignee_emails })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_parsed_batch_keeps_what_it_promises(
            case_id: i64,
            drafts in vec(any_draft(), 0..28),
        ) {
            let given = drafts.clone();
            match TaskBatch::parse(case_id, drafts.into_iter(), String::new()) {
                Ok(batch) => {
                    prop_assert_eq!(batch.case().get(), case_id);
                    prop_assert!((1..=TaskBatch::MAX_TASKS).contains(&batch.tasks().len()));
                    prop_assert_eq!(batch.tasks().len(), given.len());
                    for (task, draft) in batch.tasks().iter().zip(&given) {
                        prop_assert_eq!(task.description.as_str(), draft.description.trim());
                        let mut last = None;
                        for Assignment { email, index } in &task.assignments {
                            prop_assert!(Some(*index) > last);
                            last = Some(*index);
                            prop_assert_eq!(
                                email.as_str(),
                                draft.assignee_emails[*index].to_lowercase()
                            );
                        }
                        for email in &draft.assignee_emails {
                            let folded = email.to_lowercase();
                            let times = task
                                .assignments
                                .iter()
                                .filter(|a| a.email.as_str() == folded)
                                .count();
                            prop_assert_eq!(times, 1);
                        }
                    }
                }
                Err(violations) => {
                    let paths: Vec<_> =
                        violations.as_slice().iter().map(|violation| violation.path).collect();
                    prop_assert!(!paths.is_empty());
                    let distinct: std::collections::HashSet<_> = paths.iter().collect();
                    prop_assert_eq!(distinct.len(), paths.len());
                    for path in paths {
                        prop_assert!(is_violated(path, case_id, &given), "{}", path);
                    }
                }
            }
        }
    }

    /// Whether the field at the path breaks a rule, found out in another way than the parser's.
    fn is_violated(path: FieldPath, case_id: i64, given: &[TaskDraft]) -> bool {
        if path == FieldPath::new("case_id") {
            return case_id < 1;
        }
        if path == FieldPath::new("tasks") {
            return given.is_empty() || given.len() > 25;
        }
        given.iter().enumerate().any(|(task, draft)| {
            let is_of = |pattern| path == FieldPath::at(pattern, task);
            if is_of("tasks[*].description") {
                return Description::parse(draft.description.clone()).is_err();
            }
            if is_of("tasks[*].assignee_emails") {
                return draft.assignee_emails.len() > 50;
            }
            draft.assignee_emails.iter().enumerate().any(|(email, text)| {
                path == Assignment::path(task, email) && Email::parse(text.clone()).is_err()
            })
        })
    }
}
