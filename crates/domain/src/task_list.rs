//! Lists of tasks: what a caller asks for, checked, and the page that it gets.

use crate::{
    CaseId, Email, FieldPath, PageToken, Reason, Rule, Task, TaskFilter, TaskId, TaskScope, Time,
    Violation, Violations,
};

/// A request for a list, as the caller sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListDraft {
    /// The case; 0 for all cases of the tenant.
    pub case_id: i64,
    /// The most tasks to return; 0 for the default.
    pub page_size: i32,
    /// Where to go on; empty for the start.
    pub page_token: String,
    /// How many tasks to skip.
    pub skip: i64,
    /// Only tasks that are, or are not, completed.
    pub completed: Option<bool>,
    /// Only tasks of the user with this email; empty for all.
    pub assignee_email: String,
    /// Only tasks that were changed later than this.
    pub updated_after: Option<Time>,
    /// Whether to count all tasks.
    pub count_total: bool,
}

/// A valid request for a page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskQuery {
    /// Which tasks are listed.
    pub filter: TaskFilter,
    /// Only tasks with a greater id than this.
    pub after: Option<TaskId>,
    /// How many of those to skip.
    pub skip: i64,
    /// The most tasks of the page, at least 1.
    pub page_size: i64,
    /// Whether to count all tasks that the filter passes.
    pub count_total: bool,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskPage {
    /// The tasks, in the order of their ids.
    pub tasks: Vec<Task>,
    /// Whether there are more after them.
    pub has_more: bool,
    /// How many the filter passes in all, if that was asked for.
    pub total: Option<i64>,
}

impl TaskQuery {
    /// The number of tasks of a page whose size is not given.
    pub const DEFAULT_PAGE_SIZE: i32 = 20;
    /// The most tasks of a page.
    pub const MAX_PAGE_SIZE: i32 = 50;

    /// Broken by a negative number.
    pub const NEGATIVE: Rule =
        Rule { reason: Reason::OutOfRange, description: "the number is negative" };
    /// Broken by a list over all cases that is not of one user.
    pub const ASSIGNEE_REQUIRED: Rule = Rule {
        reason: Reason::Required,
        description: "a list over all cases needs the email of an assignee",
    };

    /// Checks a request. Of a page size past the maximum, the maximum is taken.
    ///
    /// # Errors
    /// Every violation, in the order of the request's fields.
    pub fn parse(draft: ListDraft) -> Result<Self, Violations> {
        let mut violations = Vec::new();
        let mut report = |field, rule| {
            violations.push(Violation { path: FieldPath::new(field), rule });
        };
        let case = CaseId::new(draft.case_id);
        if draft.case_id < 0 {
            report("case_id", &CaseId::NOT_POSITIVE);
        }
        if draft.page_size < 0 {
            report("page_size", &Self::NEGATIVE);
        }
        let has_token = !draft.page_token.is_empty();
        let token = PageToken::parse(&draft.page_token);
        let is_token_malformed = has_token && token.is_none();
        if is_token_malformed {
            report("page_token", &PageToken::INVALID);
        }
        if draft.skip < 0 {
            report("skip", &Self::NEGATIVE);
        }
        let assignee = match draft.assignee_email.is_empty() {
            true if draft.case_id == 0 => {
                report("assignee_email", &Self::ASSIGNEE_REQUIRED);
                None
            }
            true => None,
            false => Email::parse(draft.assignee_email)
                .map_err(|rule| report("assignee_email", rule))
                .ok(),
        };
        let updated_after = draft
            .updated_after
            .and_then(|time| time.parse().map_err(|rule| report("updated_after", rule)).ok());
        let scope = match (case, assignee) {
            (Some(case), None) => Some(TaskScope::Case(case)),
            (None, Some(email)) => Some(TaskScope::Assignee(email)),
            (Some(case), Some(email)) => Some(TaskScope::Both(case, email)),
            (None, None) => None,
        };
        let Some(scope) = scope else { return Err(Violations(violations)) };
        let filter = TaskFilter { scope, completed: draft.completed, updated_after };
        let after = token.and_then(|token| token.position_in(&filter)).and_then(TaskId::new);
        if has_token && !is_token_malformed && after.is_none() {
            let path = FieldPath::new("page_token");
            violations.push(Violation { path, rule: &PageToken::INVALID });
        }
        if let Some(violations) = Violations::new(violations) {
            return Err(violations);
        }
        Ok(Self {
            filter,
            after,
            skip: draft.skip,
            page_size: Self::page_size(draft.page_size),
            count_total: draft.count_total,
        })
    }

    /// Returns the size of a page for the size that a caller asks for.
    pub(crate) fn page_size(size: i32) -> i64 {
        let size = match size {
            0 => Self::DEFAULT_PAGE_SIZE,
            size => size.min(Self::MAX_PAGE_SIZE),
        };
        size.into()
    }
}

impl TaskPage {
    /// Returns where the next page begins, for a list with this filter; `None` after the last one.
    #[must_use]
    pub fn next_page_token(&self, filter: &TaskFilter) -> Option<String> {
        let last = self.tasks.last().filter(|_| self.has_more)?;
        Some(PageToken::after(last.id.get(), filter).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> ListDraft {
        ListDraft { case_id: 7, ..ListDraft::default() }
    }

    fn violations(draft: ListDraft) -> Vec<String> {
        let violations = TaskQuery::parse(draft).unwrap_err();
        let text = |v: &Violation| format!("{} {:?}", v.path, v.rule.reason);
        violations.as_slice().iter().map(text).collect()
    }

    #[test]
    fn the_size_of_a_page_has_a_default_and_a_maximum() {
        for (given, taken) in [(0, 20), (1, 1), (50, 50), (51, 50), (i32::MAX, 50)] {
            let query = TaskQuery::parse(ListDraft { page_size: given, ..draft() }).unwrap();
            assert_eq!(query.page_size, taken);
        }
    }

    #[test]
    fn a_list_is_of_a_case_or_of_a_user() {
        let scope = |case_id, email: &str| {
            let assignee_email = email.to_owned();
            let draft = ListDraft { case_id, assignee_email, ..ListDraft::default() };
            TaskQuery::parse(draft).map(|query| query.filter.scope)
        };
        let case = CaseId::new(7).unwrap();
        let email = Email::parse("a@b".to_owned()).unwrap();
        assert_eq!(scope(7, ""), Ok(TaskScope::Case(case)));
        assert_eq!(scope(0, "A@b"), Ok(TaskScope::Assignee(email.clone())));
        assert_eq!(scope(7, "a@B"), Ok(TaskScope::Both(case, email)));
        assert_eq!(violations(ListDraft::default()), ["assignee_email Required"]);
    }

    #[test]
    fn every_violation_is_reported() {
        let draft = ListDraft {
            case_id: -1,
            page_size: -1,
            page_token: "x".to_owned(),
            skip: -1,
            assignee_email: "nobody".to_owned(),
            updated_after: Some(Time { seconds: 0, nanos: -1 }),
            ..ListDraft::default()
        };
        let expected = [
            "case_id NotPositive",
            "page_size OutOfRange",
            "page_token InvalidPageToken",
            "skip OutOfRange",
            "assignee_email InvalidEmail",
            "updated_after InvalidTime",
        ];
        assert_eq!(violations(draft), expected);
        let page_token = "x".to_owned();
        assert_eq!(
            violations(ListDraft { page_token, ..super::tests::draft() }),
            ["page_token InvalidPageToken"]
        );
    }

    #[test]
    fn a_token_goes_on_in_its_own_list_only() {
        let time = Time { seconds: 1, nanos: 0 };
        let list = ListDraft {
            completed: Some(false),
            assignee_email: "a@b".to_owned(),
            updated_after: Some(time),
            ..draft()
        };
        let filter = TaskQuery::parse(list.clone()).unwrap().filter;
        let page_token = PageToken::after(99, &filter).to_string();
        let query = TaskQuery::parse(ListDraft { page_token: page_token.clone(), ..list.clone() });
        assert_eq!(query.unwrap().after, TaskId::new(99));
        for other in [
            ListDraft { case_id: 8, ..list.clone() },
            ListDraft { case_id: 0, ..list.clone() },
            ListDraft { completed: None, ..list.clone() },
            ListDraft { completed: Some(true), ..list.clone() },
            ListDraft { assignee_email: String::new(), ..list.clone() },
            ListDraft { assignee_email: "a@c".to_owned(), ..list.clone() },
            ListDraft { updated_after: None, ..list.clone() },
            ListDraft { updated_after: Some(Time { nanos: 1000, ..time }), ..list },
        ] {
            let page_token = page_token.clone();
            let expected = ["page_token InvalidPageToken"];
            assert_eq!(violations(ListDraft { page_token, ..other }), expected);
        }
    }
}
