//! What is wrong with an input, and where.

use std::fmt;

/// A path to a field of a message, as in `tasks[2].assignee_emails[1]`.
///
/// It is a pattern, written once in the code that checks the field, and the indices that stand for
/// its `[*]`. So it is cheap to make and to copy: it owns no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FieldPath {
    pattern: &'static str,
    indices: [u32; 2],
}

impl FieldPath {
    /// Returns the path of a field that is not inside a list: `case_id`.
    #[must_use]
    pub const fn new(pattern: &'static str) -> Self {
        Self { pattern, indices: [0; 2] }
    }

    /// Returns the path of a field inside a list, or of an item of one: the pattern's first `[*]`
    /// becomes the index.
    #[must_use]
    pub fn at(pattern: &'static str, index: usize) -> Self {
        Self { pattern, indices: [to_u32(index), 0] }
    }

    /// Returns the path of a field inside a list that is itself inside a list: the pattern's two
    /// `[*]` become the outer and the inner index.
    #[must_use]
    pub fn at2(pattern: &'static str, outer: usize, inner: usize) -> Self {
        Self { pattern, indices: [to_u32(outer), to_u32(inner)] }
    }
}

impl FieldPath {
    /// Returns the path in a request about one task, of a path in a request about several.
    #[must_use]
    fn of_one_task(self) -> Self {
        match self.pattern {
            "tasks[*].id" => Self::new("task.id"),
            "tasks[*].update_mask" => Self::new("task.update_mask"),
            "tasks[*].etag" => Self::new("task.etag"),
            "tasks[*].description" => Self::new("task.description"),
            "tasks[*].assignee_emails" => Self::new("task.assignee_emails"),
            "tasks[*].assignee_emails[*]" => {
                Self { pattern: "task.assignee_emails[*]", indices: [self.indices[1], 0] }
            }
            "task_ids[*]" => Self::new("task_id"),
            _ => self,
        }
    }
}

impl FieldPath {
    /// Returns the path in a request to create a case, of a path in a request to create tasks.
    #[must_use]
    pub(crate) fn of_new_case(self) -> Self {
        let pattern = match self.pattern {
            "tasks" => "case.tasks",
            "tasks[*].description" => "case.tasks[*].description",
            "tasks[*].assignee_emails" => "case.tasks[*].assignee_emails",
            "tasks[*].assignee_emails[*]" => "case.tasks[*].assignee_emails[*]",
            other => other,
        };
        Self { pattern, ..self }
    }
}

/// Lists are far shorter than this saturates at: their length is bounded by the size of a message.
fn to_u32(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Writes the path with the names of the gRPC contract: `tasks[2].assignee_emails[1]`.
impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pieces = self.pattern.split("[*]");
        f.write_str(pieces.next().unwrap_or_default())?;
        for (piece, index) in pieces.zip(self.indices) {
            write!(f, "[{index}]{piece}")?;
        }
        Ok(())
    }
}

/// Why a field is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A field that must have a value has none.
    Required,
    /// A number that must be positive is not.
    NotPositive,
    /// A list has more items than allowed.
    TooMany,
    /// A text is longer than allowed.
    TooLong,
    /// A text contains a NUL character.
    ContainsNul,
    /// A text is not an email address.
    InvalidEmail,
    /// A text contains a character that is not allowed.
    InvalidCharacter,
    /// No user of the tenant has this email.
    UnknownUser,
    /// The user with this email was deactivated.
    UserDeactivated,
    /// Another user of the tenant has this email.
    EmailTaken,
    /// A number is not in its range.
    OutOfRange,
    /// A value is none of those that are documented.
    UnknownValue,
    /// A text is not the page token of this list.
    InvalidPageToken,
    /// A time is out of the range of times.
    InvalidTime,
    /// A list names the same thing twice.
    Duplicate,
    /// A field mask has a path that can't be changed.
    InvalidMask,
    /// The task does not exist.
    TaskNotFound,
    /// The task is in another state than the caller named.
    EtagMismatch,
}

/// A rule for a field: the reason that breaking it has, and a sentence that states it.
///
/// Each rule is a constant beside the type that enforces it, so that the sentence and the limit
/// stay together, and a violation costs one pointer.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The reason for programs.
    pub reason: Reason,
    /// The sentence for people. It names limits, never the input, which may be long or private.
    pub description: &'static str,
}

/// A field that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field.
    pub path: FieldPath,
    /// The rule.
    pub rule: &'static Rule,
}

/// All violations of a request: at least one, in the order of its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations(
    // Never empty.
    pub(crate) Vec<Violation>,
);

impl Violations {
    /// Returns the violations, or `None` if there are none.
    #[must_use]
    pub fn new(violations: Vec<Violation>) -> Option<Self> {
        if violations.is_empty() { None } else { Some(Self(violations)) }
    }

    /// Returns the violations of a request about one task, which was checked as one about several.
    #[must_use]
    pub fn of_one_task(self) -> Self {
        self.with_paths(FieldPath::of_one_task)
    }

    /// Returns the violations of a request to create a case, whose tasks were checked as a batch.
    #[must_use]
    pub fn of_new_case(self) -> Self {
        self.with_paths(FieldPath::of_new_case)
    }

    fn with_paths(mut self, convert: impl Fn(FieldPath) -> FieldPath) -> Self {
        for violation in &mut self.0 {
            violation.path = convert(violation.path);
        }
        self
    }

    /// Returns each violation, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Violation] {
        &self.0
    }
}

impl From<Violation> for Violations {
    fn from(violation: Violation) -> Self {
        Self(vec![violation])
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("1 field violation"),
            n => write!(f, "{n} field violations"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_with_its_indices() {
        for (path, text) in [
            (FieldPath::new("case_id"), "case_id"),
            (FieldPath::at("tasks[*].description", 24), "tasks[24].description"),
            (FieldPath::at2("tasks[*].assignee_emails[*]", 0, 49), "tasks[0].assignee_emails[49]"),
            (FieldPath::at("task_ids[*]", usize::MAX), "task_ids[4294967295]"),
        ] {
            assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn a_violation_is_as_small_as_a_path_and_a_pointer() {
        assert!(size_of::<Violation>() <= 32);
        assert_eq!(size_of::<Option<Violation>>(), size_of::<Violation>());
    }
}
