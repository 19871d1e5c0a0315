//! Lists of cases: what a caller asks for, checked, and the page that it gets.

use sha2::{Digest as _, Sha256};

use crate::{
    Case, CaseId, CaseStatus, Choice, FieldPath, ListFilter, PageToken, Priority, TaskQuery,
    TeamId, Violation, Violations,
};

/// A request for a list of cases, as the caller sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseListDraft {
    /// The most cases to return; 0 for the default.
    pub page_size: i32,
    /// Where to go on; empty for the start.
    pub page_token: String,
    /// How many cases to skip.
    pub skip: i64,
    /// Only cases of this priority.
    pub priority: Choice<Priority>,
    /// Only cases of this status.
    pub status: Choice<CaseStatus>,
    /// Only cases of this team.
    pub team_id: Option<i64>,
    /// Whether to count all cases.
    pub count_total: bool,
}

/// Which cases are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaseFilter {
    /// Only cases of this priority.
    pub priority: Option<Priority>,
    /// Only cases of this status.
    pub status: Option<CaseStatus>,
    /// Only cases of this team.
    pub team: Option<TeamId>,
}

/// A valid request for a page of a list of cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseQuery {
    /// Which cases are listed.
    pub filter: CaseFilter,
    /// Only cases with a greater id than this.
    pub after: Option<CaseId>,
    /// How many of those to skip.
    pub skip: i64,
    /// The most cases of the page, at least 1.
    pub page_size: i64,
    /// Whether to count all cases that the filter passes.
    pub count_total: bool,
}

/// A page of a list of cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CasePage {
    /// The cases, in the order of their ids.
    pub cases: Vec<Case>,
    /// Whether there are more after them.
    pub has_more: bool,
    /// How many the filter passes in all, if that was asked for.
    pub total: Option<i64>,
}

impl ListFilter for CaseFilter {
    fn hash(&self, hash: &mut Sha256) {
        // A list of tasks begins with a number.
        hash.update("cases");
        let Self { priority, status, team } = self;
        for text in [priority.map_or("", Priority::as_str), status.map_or("", CaseStatus::as_str)] {
            hash.update(text);
            hash.update([0]);
        }
        hash.update(team.map_or(0, TeamId::get).to_be_bytes());
    }
}

impl CaseQuery {
    /// Checks a request. Of a page size past the maximum, the maximum is taken.
    ///
    /// # Errors
    /// Every violation, in the order of the request's fields.
    pub fn parse(draft: CaseListDraft) -> Result<Self, Violations> {
        let mut violations = Vec::new();
        let mut report = |field, rule| {
            violations.push(Violation { path: FieldPath::new(field), rule });
        };
        if draft.page_size < 0 {
            report("page_size", &TaskQuery::NEGATIVE);
        }
        let token = PageToken::parse(&draft.page_token);
        let is_token_malformed = !draft.page_token.is_empty() && token.is_none();
        if is_token_malformed {
            report("page_token", &PageToken::INVALID);
        }
        if draft.skip < 0 {
            report("skip", &TaskQuery::NEGATIVE);
        }
        let filter = CaseFilter {
            priority: draft.priority.known_or(|| report("priority", &Priority::UNKNOWN)),
            status: draft.status.known_or(|| report("status", &CaseStatus::UNKNOWN)),
            team: draft
                .team_id
                .and_then(|id| TeamId::parse(id).map_err(|rule| report("team_id", rule)).ok()),
        };
        let after = token.and_then(|token| token.position_in(&filter)).and_then(CaseId::new);
        if token.is_some() && after.is_none() {
            report("page_token", &PageToken::INVALID);
        }
        match Violations::new(violations) {
            Some(violations) => Err(violations),
            None => Ok(Self {
                filter,
                after,
                skip: draft.skip,
                page_size: TaskQuery::page_size(draft.page_size),
                count_total: draft.count_total,
            }),
        }
    }
}

impl CasePage {
    /// Returns where the next page begins, for a list with this filter; `None` after the last one.
    #[must_use]
    pub fn next_page_token(&self, filter: &CaseFilter) -> Option<String> {
        let last = self.cases.last().filter(|_| self.has_more)?;
        Some(PageToken::after(last.id.get(), filter).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TaskFilter, TaskScope};

    fn violations(draft: CaseListDraft) -> Vec<String> {
        let violations = CaseQuery::parse(draft).unwrap_err();
        let text = |v: &Violation| format!("{} {:?}", v.path, v.rule.reason);
        violations.as_slice().iter().map(text).collect()
    }

    #[test]
    fn every_violation_is_reported() {
        let draft = CaseListDraft {
            page_size: -1,
            page_token: "x".to_owned(),
            skip: -1,
            priority: Choice::Unknown,
            status: Choice::Unknown,
            team_id: Some(0),
            count_total: false,
        };
        let expected = [
            "page_size OutOfRange",
            "page_token InvalidPageToken",
            "skip OutOfRange",
            "priority UnknownValue",
            "status UnknownValue",
            "team_id NotPositive",
        ];
        assert_eq!(violations(draft), expected);
    }

    #[test]
    fn a_token_goes_on_in_its_own_list_only() {
        let list = CaseListDraft {
            priority: Choice::Known(Priority::High),
            status: Choice::Known(CaseStatus::Open),
            team_id: Some(7),
            ..CaseListDraft::default()
        };
        let filter = CaseQuery::parse(list.clone()).unwrap().filter;
        let page_token = PageToken::after(99, &filter).to_string();
        let query =
            CaseQuery::parse(CaseListDraft { page_token: page_token.clone(), ..list.clone() });
        assert_eq!(query.unwrap().after, CaseId::new(99));
        for other in [
            CaseListDraft { priority: Choice::Unset, ..list.clone() },
            CaseListDraft { priority: Choice::Known(Priority::Low), ..list.clone() },
            CaseListDraft { status: Choice::Unset, ..list.clone() },
            CaseListDraft { status: Choice::Known(CaseStatus::Closed), ..list.clone() },
            CaseListDraft { team_id: None, ..list.clone() },
            CaseListDraft { team_id: Some(8), ..list.clone() },
        ] {
            let page_token = page_token.clone();
            let expected = ["page_token InvalidPageToken"];
            assert_eq!(violations(CaseListDraft { page_token, ..other }), expected);
        }
        // Nor does that of a list of tasks.
        let scope = TaskScope::Case(CaseId::new(1).unwrap());
        let tasks = TaskFilter { scope, completed: None, updated_after: None };
        let page_token = PageToken::after(99, &tasks).to_string();
        let of_tasks = CaseListDraft { page_token, ..CaseListDraft::default() };
        assert_eq!(violations(of_tasks), ["page_token InvalidPageToken"]);
    }
}
