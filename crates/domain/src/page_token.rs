//! Page tokens: opaque to callers, and checked when they come back.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use sha2::{Digest as _, Sha256};

use crate::{EventId, Reason, Rule, TaskFilter, TaskId, TaskKey};

/// A position in a list: the last item of a page, a task or an event, and a check sum over it and what
/// list it is.
///
/// It holds no secret and needs no signature: whoever forges one gets a list that starts elsewhere,
/// of what it may see anyway. The check sum finds tokens that were cut, altered, or used with
/// another list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageToken {
    /// The id of the item: positive.
    after: i64,
    check: u64,
}

impl PageToken {
    /// Broken by a text that is not a token of this list.
    pub const INVALID: Rule = Rule {
        reason: Reason::InvalidPageToken,
        description: "the page token does not belong to a list with these fields",
    };

    /// The first two digits: the format. A token of another format is not understood.
    const FORMAT: &str = "01";

    /// Returns the position after a task in the list with this filter.
    #[must_use]
    pub fn after(task: TaskId, filter: &TaskFilter) -> Self {
        Self { after: task.get(), check: check(task.get(), filter) }
    }

    /// Returns the position after an event in the list of this task's events.
    #[must_use]
    pub fn after_event(event: EventId, key: &TaskKey) -> Self {
        Self { after: event.get(), check: check_events(event.get(), key) }
    }

    /// Reads a token; `None` for another text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(Self::FORMAT)?;
        let is_hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if digits.len() != 32 || !is_hex {
            return None;
        }
        let (after, check) = digits.split_at(16);
        Some(Self {
            after: i64::from_str_radix(after, 16).ok().filter(|after| *after > 0)?,
            check: u64::from_str_radix(check, 16).ok()?,
        })
    }

    /// Returns the task after which the list goes on; `None` if this is a token of another list.
    pub(crate) fn position_in(self, filter: &TaskFilter) -> Option<TaskId> {
        TaskId::new(self.after).filter(|_| self.check == check(self.after, filter))
    }

    /// Returns the event after which the list of this task's events goes on; `None` if this is a token
    /// of another list.
    pub(crate) fn event_of(self, key: &TaskKey) -> Option<EventId> {
        EventId::new(self.after).filter(|_| self.check == check_events(self.after, key))
    }
}

/// Writes the format, the id and the check sum, in hexadecimal digits.
impl fmt::Display for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:016x}{:016x}", Self::FORMAT, self.after, self.check)
    }
}

fn check(after: i64, filter: &TaskFilter) -> u64 {
    let mut hash = Sha256::new();
    hash.update(after.to_be_bytes());
    hash.update(filter.case().map_or(0, |case| case.get()).to_be_bytes());
    hash.update([match filter.completed {
        None => 0,
        Some(false) => 1,
        Some(true) => 2,
    }]);
    let micros = |time: SystemTime| match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i128::try_from(since.as_micros()).unwrap_or(i128::MAX),
        Err(before) => -i128::try_from(before.duration().as_micros()).unwrap_or(i128::MAX),
    };
    // Past every time in microseconds that the wire can carry.
    hash.update(filter.updated_after.map_or(i128::MAX, micros).to_be_bytes());
    // The only field of variable length is the last one.
    hash.update(filter.assignee().map_or("", |email| email.as_str()));
    sum(hash)
}

fn check_events(after: i64, key: &TaskKey) -> u64 {
    let mut hash = Sha256::new();
    hash.update(after.to_be_bytes());
    hash.update(key.case.get().to_be_bytes());
    hash.update(key.task.get().to_be_bytes());
    // No list of tasks ends in this: it is no email.
    hash.update("task events");
    sum(hash)
}

/// Returns the first bytes of a hash.
fn sum(hash: Sha256) -> u64 {
    let digest: [u8; 32] = hash.finalize().into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CaseId, TaskScope};

    fn filter() -> TaskFilter {
        let scope = TaskScope::Case(CaseId::new(1).unwrap());
        TaskFilter { scope, completed: None, updated_after: None }
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        for id in [1, 2, i64::MAX] {
            let token = PageToken::after(TaskId::new(id).unwrap(), &filter());
            assert_eq!(PageToken::parse(&token.to_string()), Some(token));
            assert_eq!(token.position_in(&filter()), TaskId::new(id));
        }
    }

    #[test]
    fn a_token_with_any_other_character_is_none() {
        let token = PageToken::after(TaskId::new(123_456).unwrap(), &filter()).to_string();
        let position = |text: &str| PageToken::parse(text).and_then(|t| t.position_in(&filter()));
        for index in 0..token.len() {
            for other in ["0", "f", "F", "+", " ", "é", ""] {
                let text = format!("{}{other}{}", &token[..index], &token[index + 1..]);
                assert!(text == token || position(&text).is_none(), "{text}");
            }
        }
        assert_eq!(position(""), None);
        assert_eq!(position(&format!("{token}0")), None);
    }
}
