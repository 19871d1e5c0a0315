//! Lists of what was done to a task: what a caller asks for, checked, and the page that it gets.

use crate::{EventId, FieldPath, PageToken, TaskEvent, TaskKey, TaskQuery, Violation, Violations};

/// A request for the events of a task, as the caller sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventListDraft {
    /// The case.
    pub case_id: i64,
    /// The task.
    pub task_id: i64,
    /// The most events to return; 0 for the default.
    pub page_size: i32,
    /// Where to go on; empty for the start.
    pub page_token: String,
    /// How many events to skip.
    pub skip: i64,
    /// Whether to count all events.
    pub count_total: bool,
}

/// A valid request for a page of the events of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuery {
    /// The task.
    pub key: TaskKey,
    /// Only events with a greater id than this.
    pub after: Option<EventId>,
    /// How many of those to skip.
    pub skip: i64,
    /// The most events of the page, at least 1.
    pub page_size: i64,
    /// Whether to count all events of the task.
    pub count_total: bool,
}

/// A page of the events of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPage {
    /// The events, in the order of their ids.
    pub events: Vec<TaskEvent>,
    /// Whether there are more after them.
    pub has_more: bool,
    /// How many there are in all, if that was asked for.
    pub total: Option<i64>,
}

impl EventQuery {
    /// Checks a request. Of a page size past the maximum, the maximum is taken.
    ///
    /// # Errors
    /// Every violation, in the order of the request's fields.
    pub fn parse(draft: EventListDraft) -> Result<Self, Violations> {
        let mut violations = Vec::new();
        let key = TaskKey::parse(draft.case_id, draft.task_id);
        let key = key.map_err(|wrong| violations.extend(wrong.0)).ok();
        let mut report = |field, rule| {
            violations.push(Violation { path: FieldPath::new(field), rule });
        };
        if draft.page_size < 0 {
            report("page_size", &TaskQuery::NEGATIVE);
        }
        let has_token = !draft.page_token.is_empty();
        let token = PageToken::parse(&draft.page_token);
        // Whether a token belongs to the list can't be told if there is no such list.
        let after = match (token, &key) {
            (Some(token), Some(key)) => token.position_in(key).and_then(EventId::new),
            (None, _) | (_, None) => None,
        };
        if has_token && (token.is_none() || key.is_some() && after.is_none()) {
            report("page_token", &PageToken::INVALID);
        }
        if draft.skip < 0 {
            report("skip", &TaskQuery::NEGATIVE);
        }
        let Some(key) = key else { return Err(Violations(violations)) };
        if let Some(violations) = Violations::new(violations) {
            return Err(violations);
        }
        Ok(Self {
            key,
            after,
            skip: draft.skip,
            page_size: TaskQuery::page_size(draft.page_size),
            count_total: draft.count_total,
        })
    }
}

impl EventPage {
    /// Returns where the next page begins, in the list of this task's events; `None` after the last
    /// one.
    #[must_use]
    pub fn next_page_token(&self, key: &TaskKey) -> Option<String> {
        let last = self.events.last().filter(|_| self.has_more)?;
        Some(PageToken::after(last.id.get(), key).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> EventListDraft {
        EventListDraft { case_id: 7, task_id: 8, ..EventListDraft::default() }
    }

    fn violations(draft: EventListDraft) -> Vec<String> {
        let violations = EventQuery::parse(draft).unwrap_err();
        let text = |v: &Violation| format!("{} {:?}", v.path, v.rule.reason);
        violations.as_slice().iter().map(text).collect()
    }

    #[test]
    fn every_violation_is_reported() {
        let wrong = EventListDraft {
            case_id: 0,
            task_id: -1,
            page_size: -1,
            page_token: "x".to_owned(),
            skip: -1,
            count_total: true,
        };
        let expected = [
            "case_id NotPositive",
            "task_id NotPositive",
            "page_size OutOfRange",
            "page_token InvalidPageToken",
            "skip OutOfRange",
        ];
        assert_eq!(violations(wrong.clone()), expected);
        let right_ids = EventListDraft { case_id: 7, task_id: 8, ..wrong };
        assert_eq!(violations(right_ids), expected[2..]);
    }

    #[test]
    fn a_token_goes_on_in_its_own_list_only() {
        let key = EventQuery::parse(draft()).unwrap().key;
        let event = EventId::new(99).unwrap();
        let page_token = PageToken::after(event.get(), &key).to_string();
        let with = |page_token: &str| {
            let page_token = page_token.to_owned();
            EventListDraft { page_token, ..draft() }
        };
        assert_eq!(EventQuery::parse(with(&page_token)).unwrap().after, Some(event));
        for other in [
            EventListDraft { case_id: 8, ..with(&page_token) },
            EventListDraft { task_id: 7, ..with(&page_token) },
            with(&page_token.replace('1', "2")),
        ] {
            assert_eq!(violations(other), ["page_token InvalidPageToken"]);
        }
    }
}
