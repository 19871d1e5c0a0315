//! What is wrong with an input, and where.

use std::fmt;

/// A place in a batch, by its indices in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The id of the case.
    CaseId,
    /// The list of tasks as a whole.
    Tasks,
    /// A task's description.
    Description {
        /// The task's index.
        task: usize,
    },
    /// A task's list of emails as a whole.
    AssigneeEmails {
        /// The task's index.
        task: usize,
    },
    /// One of a task's emails.
    AssigneeEmail {
        /// The task's index.
        task: usize,
        /// The email's index in its task.
        email: usize,
    },
    /// The id that makes the request safe to repeat.
    RequestId,
}

/// Writes the place as a field path of the contract: `tasks[2].assignee_emails[1]`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CaseId => f.write_str("case_id"),
            Self::Tasks => f.write_str("tasks"),
            Self::RequestId => f.write_str("request_id"),
            Self::Description { task } => write!(f, "tasks[{task}].description"),
            Self::AssigneeEmails { task } => write!(f, "tasks[{task}].assignee_emails"),
            Self::AssigneeEmail { task, email } => {
                write!(f, "tasks[{task}].assignee_emails[{email}]")
            }
        }
    }
}

/// Why an input is at fault. Clients may branch on [`Reason::as_str`], which never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nothing is there, and something must be.
    Required,
    /// A number that must be positive isn't.
    NotPositive,
    /// A list has more items than it may.
    TooMany,
    /// A text is longer than it may be.
    TooLong,
    /// A text has a NUL character.
    ContainsNul,
    /// A text is no email address.
    InvalidEmail,
    /// A text has a character that it may not have.
    InvalidCharacter,
    /// No user of the tenant has this email.
    UnknownUser,
}

impl Reason {
    /// The stable, upper-case word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "REQUIRED",
            Self::NotPositive => "NOT_POSITIVE",
            Self::TooMany => "TOO_MANY",
            Self::TooLong => "TOO_LONG",
            Self::ContainsNul => "CONTAINS_NUL",
            Self::InvalidEmail => "INVALID_EMAIL",
            Self::InvalidCharacter => "INVALID_CHARACTER",
            Self::UnknownUser => "UNKNOWN_USER",
        }
    }
}

/// One thing that is wrong with an input, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub reason: Reason,
}

impl Fault {
    /// A sentence for people. It names limits, never the input: that may be long, or private.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        match (self.reason, self.place) {
            (Reason::Required, Place::Tasks) => "1 to 25 tasks are required",
            (Reason::Required, Place::Description { .. }) => "a description is required",
            (Reason::Required, _) => "this is required",
            (Reason::NotPositive, _) => "an id is a positive integer",
            (Reason::TooMany, Place::Tasks) => "at most 25 tasks can be created at once",
            (Reason::TooMany, Place::AssigneeEmails { .. }) => "a task has at most 50 assignees",
            (Reason::TooMany, _) => "there are too many of these",
            (Reason::TooLong, Place::Description { .. }) => {
                "a description has at most 10,000 characters"
            }
            (Reason::TooLong, Place::AssigneeEmail { .. }) => "an email has at most 254 bytes",
            (Reason::TooLong, Place::RequestId) => "a request id has at most 255 characters",
            (Reason::TooLong, _) => "this is too long",
            (Reason::ContainsNul, _) => "a NUL character can't be stored",
            (Reason::InvalidEmail, _) => "this is not an email address",
            (Reason::InvalidCharacter, _) => "only visible ASCII characters may be in this",
            (Reason::UnknownUser, _) => "no user has this email",
        }
    }
}

/// All that is wrong with an input: at least one fault, in the order of their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(
    // Never empty.
    pub(crate) Vec<Fault>,
);

impl Faults {
    /// The faults, where there is one.
    #[must_use]
    pub fn new(faults: Vec<Fault>) -> Option<Self> {
        if faults.is_empty() { None } else { Some(Self(faults)) }
    }

    /// Each fault, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Fault] {
        &self.0
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("1 fault"),
            n => write!(f, "{n} faults"),
        }
    }
}
