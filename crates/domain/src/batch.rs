//! A batch of tasks to be created: the input, checked.

use sha2::{Digest as _, Sha256};

use crate::{CaseId, Description, Email, Fault, Faults, Fingerprint, Place, Reason, RequestId};

/// A task to be created, as it came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskDraft {
    /// What is to be done.
    pub description: String,
    /// The emails of the users to assign.
    pub assignee_emails: Vec<String>,
}

/// A legal batch: a case, 1 to 25 tasks for it, and perhaps an id that makes it safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskBatch {
    case: CaseId,
    tasks: Vec<NewTask>,
    request_id: Option<RequestId>,
}

/// A legal task to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// What is to be done.
    pub description: Description,
    /// Who is to do it: at most 50, each email once, in the order of their first places.
    pub assignments: Vec<Assignment>,
}

/// An email of a user to assign, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The user's email.
    pub email: Email,
    /// The email's index in the request; a later fault is placed by it.
    pub index: usize,
}

impl TaskBatch {
    /// The most tasks of a batch.
    pub const MAX_TASKS: usize = 25;
    /// The most emails of a task, duplicates included.
    pub const MAX_EMAILS: usize = 50;

    /// Checks an input. Texts are moved, not copied, where they need no change. An empty request
    /// id is none.
    ///
    /// # Errors
    /// Every fault of form, in the order of the request. Of a list that is too long, the items
    /// within its limit are looked at.
    pub fn parse(
        case_id: i64,
        tasks: impl ExactSizeIterator<Item = TaskDraft>,
        request_id: String,
    ) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let case = CaseId::new(case_id);
        if case.is_none() {
            faults.push(Fault { place: Place::CaseId, reason: Reason::NotPositive });
        }
        match tasks.len() {
            0 => faults.push(Fault { place: Place::Tasks, reason: Reason::Required }),
            1..=Self::MAX_TASKS => {}
            _ => faults.push(Fault { place: Place::Tasks, reason: Reason::TooMany }),
        }
        let tasks = tasks
            .take(Self::MAX_TASKS)
            .enumerate()
            .filter_map(|(index, draft)| NewTask::parse(index, draft, &mut faults))
            .collect();
        let request_id = (!request_id.is_empty()).then(|| RequestId::parse(request_id));
        let request_id = request_id.transpose().unwrap_or_else(|reason| {
            faults.push(Fault { place: Place::RequestId, reason });
            None
        });
        match case.filter(|_| faults.is_empty()) {
            Some(case) => Ok(Self { case, tasks, request_id }),
            None => Err(Faults(faults)),
        }
    }

    /// The case.
    #[must_use]
    pub fn case(&self) -> CaseId {
        self.case
    }

    /// The tasks, 1 to 25.
    #[must_use]
    pub fn tasks(&self) -> &[NewTask] {
        &self.tasks
    }

    /// The tasks, owned.
    #[must_use]
    pub fn into_tasks(self) -> Vec<NewTask> {
        self.tasks
    }

    /// The id under which a repeat of it is known, where the caller gave one.
    #[must_use]
    pub fn request_id(&self) -> Option<&RequestId> {
        self.request_id.as_ref()
    }

    /// What tells this batch from others that bear the same id. Inputs that differ only in what
    /// parsing evens out, such as white space around a text, have the same.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new();
        // Each list and text is led by its length, so that no two batches are written alike.
        let number = |hash: &mut Sha256, number: usize| {
            hash.update(u64::try_from(number).unwrap_or(u64::MAX).to_be_bytes());
        };
        hash.update(self.case.get().to_be_bytes());
        number(&mut hash, self.tasks.len());
        for task in &self.tasks {
            let text = task.description.as_str();
            number(&mut hash, text.len());
            hash.update(text);
            number(&mut hash, task.assignments.len());
            for Assignment { email, .. } in &task.assignments {
                number(&mut hash, email.as_str().len());
                hash.update(email.as_str());
            }
        }
        hash.finalize().into()
    }
}

impl NewTask {
    /// Checks the task at `index`. Where it has faults, adds them and returns nothing.
    fn parse(index: usize, draft: TaskDraft, faults: &mut Vec<Fault>) -> Option<Self> {
        let faults_before = faults.len();
        let mut note = |place, reason| faults.push(Fault { place, reason });

        let description = Description::parse(draft.description)
            .map_err(|reason| note(Place::Description { task: index }, reason))
            .ok();
        if draft.assignee_emails.len() > TaskBatch::MAX_EMAILS {
            note(Place::AssigneeEmails { task: index }, Reason::TooMany);
        }
        let mut assignments: Vec<Assignment> =
            Vec::with_capacity(draft.assignee_emails.len().min(TaskBatch::MAX_EMAILS));
        for (place, email) in
            draft.assignee_emails.into_iter().take(TaskBatch::MAX_EMAILS).enumerate()
        {
            match Email::parse(email) {
                // At most 50: comparing them all is quicker than hashing them.
                Ok(email) if assignments.iter().any(|earlier| earlier.email == email) => {}
                Ok(email) => assignments.push(Assignment { email, index: place }),
                Err(reason) => note(Place::AssigneeEmail { task: index, email: place }, reason),
            }
        }
        let description = description?;
        (faults.len() == faults_before).then_some(Self { description, assignments })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn draft(description: &str, emails: &[&str]) -> TaskDraft {
        TaskDraft {
            description: description.to_owned(),
            assignee_emails: emails.iter().map(ToString::to_string).collect(),
        }
    }

    fn faults(case_id: i64, tasks: Vec<TaskDraft>) -> Vec<String> {
        TaskBatch::parse(case_id, tasks.into_iter(), String::new())
            .unwrap_err()
            .as_slice()
            .iter()
            .map(|fault| format!("{} {}", fault.place, fault.reason.as_str()))
            .collect()
    }

    #[test]
    fn takes_1_to_25_tasks() {
        assert_eq!(faults(1, vec![]), ["tasks REQUIRED"]);
        assert!(TaskBatch::parse(1, vec![draft("a", &[]); 25].into_iter(), String::new()).is_ok());
        assert_eq!(faults(1, vec![draft("a", &[]); 26]), ["tasks TOO_MANY"]);
    }

    #[test]
    fn takes_50_emails_a_task_and_counts_one_given_twice_once() {
        let emails = |n| vec!["a@b".to_owned(); n];
        let task = |n| TaskDraft { description: "a".to_owned(), assignee_emails: emails(n) };
        let batch = TaskBatch::parse(1, vec![task(50)].into_iter(), String::new()).unwrap();
        assert_eq!(batch.tasks()[0].assignments.len(), 1);
        assert_eq!(faults(1, vec![task(51)]), ["tasks[0].assignee_emails TOO_MANY"]);
    }

    #[test]
    fn keeps_the_first_place_of_an_email() {
        let tasks = vec![draft("a", &["b@x", "A@X", "a@x", "B@x", "c@x"])];
        let batch = TaskBatch::parse(1, tasks.into_iter(), String::new()).unwrap();
        let kept: Vec<_> =
            batch.tasks()[0].assignments.iter().map(|a| (a.email.as_str(), a.index)).collect();
        assert_eq!(kept, [("b@x", 0), ("a@x", 1), ("c@x", 4)]);
    }

    #[test]
    fn names_every_fault_in_the_order_of_the_request() {
        let long = format!("{}@x", "a".repeat(300));
        let tasks = vec![
            draft(" ", &["a@x"]),
            draft("a\0", &["nobody", "a@x", &long]),
            draft("fine", &[]),
            draft(&"x".repeat(10_001), &[]),
        ];
        assert_eq!(
            faults(0, tasks),
            [
                "case_id NOT_POSITIVE",
                "tasks[0].description REQUIRED",
                "tasks[1].description CONTAINS_NUL",
                "tasks[1].assignee_emails[0] INVALID_EMAIL",
                "tasks[1].assignee_emails[2] TOO_LONG",
                "tasks[3].description TOO_LONG",
            ]
        );
    }

    #[test]
    fn a_request_id_is_checked_with_all_else() {
        let parse =
            |id: &str, text| TaskBatch::parse(1, vec![draft(text, &[])].into_iter(), id.to_owned());
        assert_eq!(parse("", "a").unwrap().request_id(), None);
        assert_eq!(parse("x-1", "a").unwrap().request_id().unwrap().as_str(), "x-1");
        let faults = parse("a b", "").unwrap_err();
        let places: Vec<_> = faults.as_slice().iter().map(|f| f.place.to_string()).collect();
        assert_eq!(places, ["tasks[0].description", "request_id"]);
    }

    #[test]
    fn a_fingerprint_tells_every_part_apart_and_nothing_else() {
        let of = |case_id, drafts: &[(&str, &[&str])]| {
            let drafts: Vec<_> = drafts.iter().map(|(text, emails)| draft(text, emails)).collect();
            TaskBatch::parse(case_id, drafts.into_iter(), String::new()).unwrap().fingerprint()
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
                Err(faults) => {
                    let places: Vec<_> =
                        faults.as_slice().iter().map(|fault| fault.place).collect();
                    prop_assert!(!places.is_empty());
                    let distinct: std::collections::HashSet<_> = places.iter().collect();
                    prop_assert_eq!(distinct.len(), places.len());
                    for place in places {
                        match place {
                            Place::CaseId => prop_assert!(case_id < 1),
                            Place::RequestId => prop_assert!(false, "none was given"),
                            Place::Tasks => prop_assert!(given.is_empty() || given.len() > 25),
                            Place::Description { task } => {
                                prop_assert!(Description::parse(
                                    given[task].description.clone()
                                ).is_err());
                            }
                            Place::AssigneeEmails { task } => {
                                prop_assert!(given[task].assignee_emails.len() > 50);
                            }
                            Place::AssigneeEmail { task, email } => {
                                prop_assert!(Email::parse(
                                    given[task].assignee_emails[email].clone()
                                ).is_err());
                            }
                        }
                    }
                }
            }
        }
    }
}
