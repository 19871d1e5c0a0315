//! A task to create: the input, checked.

use crate::{Description, Email, FieldPath, Reason, Rule, idempotency::FingerprintV1};

/// A task to create, as the caller sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskDraft {
    /// What is to be done.
    pub description: String,
    /// The emails of the users to assign.
    pub assignee_emails: Vec<String>,
}

/// A valid task to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// What is to be done.
    pub description: Description,
    /// The users to assign: at most 50, each email once, in the order of the request.
    pub assignments: Vec<Assignment>,
}

/// The email of a user to assign, and its index in the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The user's email.
    pub email: Email,
    /// The index of the email among those that the request has for the task. Where an email was
    /// given twice, that of the first. The path of a later violation needs it.
    pub index: usize,
}

impl NewTask {
    /// The most emails of a task, duplicates included.
    pub const MAX_EMAILS: usize = 50;

    /// Broken past [`Self::MAX_EMAILS`].
    pub const TOO_MANY_EMAILS: Rule =
        Rule { reason: Reason::TooMany, description: "a task has at most 50 assignees" };

    /// Checks tasks to create. Reports every violation.
    pub(crate) fn parse_all(
        tasks: impl Iterator<Item = TaskDraft>,
        report: &mut impl FnMut(FieldPath, &'static Rule),
    ) -> Vec<Self> {
        let tasks = tasks.enumerate();
        tasks.filter_map(|(index, draft)| Self::parse(index, draft, report)).collect()
    }

    /// Adds tasks to a fingerprint.
    pub(crate) fn hash_all(tasks: &[Self], hash: &mut FingerprintV1) {
        hash.length(tasks.len());
        for task in tasks {
            hash.text(task.description.as_str());
            hash.length(task.assignments.len());
            for Assignment { email, .. } in &task.assignments {
                hash.text(email.as_str());
            }
        }
    }

    /// Checks the task at `index`. Reports every violation; returns `None` if there is one.
    fn parse(
        index: usize,
        draft: TaskDraft,
        report: &mut impl FnMut(FieldPath, &'static Rule),
    ) -> Option<Self> {
        let mut is_valid = true;
        let mut report = |path, rule| {
            is_valid = false;
            report(path, rule);
        };
        let description = Description::parse(draft.description)
            .map_err(|rule| report(FieldPath::at("tasks[*].description", index), rule))
            .ok();
        let assignments = Assignment::parse_all(index, draft.assignee_emails, &mut report);
        let description = description?;
        is_valid.then_some(Self { description, assignments })
    }
}

impl Assignment {
    /// Checks the emails of the task at index `task`. Reports every violation.
    pub(crate) fn parse_all(
        task: usize,
        emails: Vec<String>,
        report: &mut impl FnMut(FieldPath, &'static Rule),
    ) -> Vec<Self> {
        if emails.len() > NewTask::MAX_EMAILS {
            let path = FieldPath::at("tasks[*].assignee_emails", task);
            report(path, &NewTask::TOO_MANY_EMAILS);
        }
        let mut assignments: Vec<Self> = Vec::with_capacity(emails.len().min(NewTask::MAX_EMAILS));
        for (index, email) in emails.into_iter().take(NewTask::MAX_EMAILS).enumerate() {
            match Email::parse(email) {
                // With at most 50 emails, comparing them all is quicker than hashing them.
                Ok(email) if assignments.iter().any(|earlier| earlier.email == email) => {}
                Ok(email) => assignments.push(Self { email, index }),
                Err(rule) => report(Self::path(task, index), rule),
            }
        }
        assignments
    }

    /// Returns the path of an email in the request: that of the task at index `task`, at index
    /// `email` among its emails.
    #[must_use]
    pub fn path(task: usize, email: usize) -> FieldPath {
        FieldPath::at2("tasks[*].assignee_emails[*]", task, email)
    }
}
