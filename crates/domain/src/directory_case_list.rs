//! Lists of cases as the directory knows them: the input, checked, and the output.

use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use crate::{
    CaseId, CaseStatus, ChangeToken, Choice, DirectoryCase, DirectoryPageSize, FieldPath,
    ListFilter, PageToken, Rule, Time, Violation, Violations, time::micros,
};

/// Which cases to list, as the caller sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryCaseListDraft {
    /// The most cases to return; 0 for the default.
    pub page_size: i32,
    /// The token of the page before; empty for the first page.
    pub page_token: String,
    /// Only cases of this status.
    pub status: Choice<CaseStatus>,
    /// Only cases that were changed later than this.
    pub updated_after: Option<Time>,
}

/// Which cases are listed: those that pass both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectoryCaseFilter {
    /// Only cases of this status.
    pub status: Option<CaseStatus>,
    /// Only cases that were changed later than this.
    pub updated_after: Option<SystemTime>,
}

/// A valid request for a page of a list of cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryCaseQuery {
    /// Which cases are listed.
    pub filter: DirectoryCaseFilter,
    /// The order of the list, and where the page begins.
    pub start: DirectoryCaseStart,
    /// The most cases to return.
    pub page_size: DirectoryPageSize,
}

/// The order of a list of cases, and where a page of it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryCaseStart {
    /// In the order of their ids: behind this case, or with the first one.
    Id(Option<CaseId>),
    /// In the order of their last changes, and of their ids where these are the same: behind the change of this case at
    /// this time, or behind all changes of the time.
    Change(SystemTime, Option<CaseId>),
}

/// A page of a list of cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryCasePage {
    /// The cases, in the order of the list.
    pub cases: Vec<DirectoryCase>,
    /// Whether there are more behind them.
    pub has_more: bool,
}

impl DirectoryCaseQuery {
    /// The most cases of a page: however long their descriptions are, the response has less than 4 MiB, the
    /// most that gRPC clients accept by default.
    pub const MAX_PAGE_SIZE: usize = 100;

    /// Checks a request.
    ///
    /// # Errors
    /// Every violation, in the order of the request's fields.
    pub fn parse(draft: DirectoryCaseListDraft) -> Result<Self, Violations> {
        let mut violations = Vec::new();
        let mut report = |field, rule| {
            violations.push(Violation { path: FieldPath::new(field), rule });
        };
        let page_size = DirectoryPageSize::parse(draft.page_size, Self::MAX_PAGE_SIZE);
        let page_size = page_size.map_err(|rule| report("page_size", rule));
        let updated_after = draft.updated_after.map(Time::parse).transpose();
        let status = match draft.status {
            Choice::Known(status) => Some(status),
            Choice::Unset | Choice::Unknown => None,
        };
        let filter = DirectoryCaseFilter { status, updated_after: updated_after.ok().flatten() };
        let start = DirectoryCaseStart::parse(&draft.page_token, &filter);
        let start = start.map_err(|rule| report("page_token", rule));
        if draft.status == Choice::Unknown {
            report("status", &CaseStatus::UNKNOWN);
        }
        if let Err(rule) = updated_after {
            report("updated_after", rule);
        }
        match (page_size, start) {
            (Ok(page_size), Ok(start)) if violations.is_empty() => {
                Ok(Self { filter, start, page_size })
            }
            _ => Err(Violations(violations)),
        }
    }
}

impl DirectoryCaseStart {
    fn parse(token: &str, filter: &DirectoryCaseFilter) -> Result<Self, &'static Rule> {
        let Some(updated_after) = filter.updated_after else {
            let after = PageToken::position(token, filter)?;
            return Ok(Self::Id(after.and_then(CaseId::new)));
        };
        // A release before had the order of ids with this filter, too: such a walk goes on as it has begun.
        if let Ok(Some(after)) = PageToken::position(token, filter) {
            return Ok(Self::Id(CaseId::new(after)));
        }
        Ok(match ChangeToken::position(token, filter)? {
            Some((time, id)) => Self::Change(time, CaseId::new(id)),
            None => Self::Change(updated_after, None),
        })
    }
}

impl DirectoryCasePage {
    /// Returns the token of the page after this one, which the query has returned; `None` after the last page.
    #[must_use]
    pub fn next_page_token(&self, query: &DirectoryCaseQuery) -> Option<String> {
        let last = self.cases.last().filter(|_| self.has_more)?;
        let (id, filter) = (last.case.id.get(), &query.filter);
        Some(match query.start {
            DirectoryCaseStart::Id(_) => PageToken::after(id, filter).to_string(),
            DirectoryCaseStart::Change(..) => {
                ChangeToken::after(last.case.updated_at, id, filter).to_string()
            }
        })
    }
}

impl ListFilter for DirectoryCaseFilter {
    fn hash(&self, hash: &mut Sha256) {
        // Other lists begin with other words, or a number.
        hash.update("directory cases");
        hash.update(micros(self.updated_after).to_be_bytes());
        hash.update(self.status.map_or("", CaseStatus::as_str));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::{Case, Priority};

    fn start(token: &str, draft: &DirectoryCaseListDraft) -> Option<DirectoryCaseStart> {
        let draft = DirectoryCaseListDraft { page_token: token.to_owned(), ..draft.clone() };
        Some(DirectoryCaseQuery::parse(draft).ok()?.start)
    }

    #[test]
    fn a_token_belongs_to_one_list() {
        let lists = [Some(Time { seconds: 1, nanos: 1000 }), Some(Time::default()), None]
            .into_iter()
            .flat_map(|updated_after| {
                let statuses = [Choice::Known(CaseStatus::Open), Choice::Unset];
                statuses.map(|status| DirectoryCaseListDraft {
                    status,
                    updated_after,
                    ..DirectoryCaseListDraft::default()
                })
            });
        let lists: Vec<_> = lists.collect();
        let changed = UNIX_EPOCH + Duration::from_secs(9);
        for list in &lists {
            let query = DirectoryCaseQuery::parse(list.clone()).unwrap();
            let (id, token) = (CaseId::new(7), last_of_page(7, changed).next_page_token(&query));
            let expected = match query.filter.updated_after {
                None => DirectoryCaseStart::Id(id),
                Some(_) => DirectoryCaseStart::Change(changed, id),
            };
            for other in &lists {
                let found = start(token.as_deref().unwrap(), other);
                assert_eq!(found, (list == other).then_some(expected));
            }
        }
    }

    /// Returns a page with one case, which is not the last one.
    fn last_of_page(id: i64, updated_at: SystemTime) -> DirectoryCasePage {
        let case = Case {
            id: CaseId::new(id).unwrap(),
            name: "a".to_owned(),
            description: String::new(),
            priority: Priority::default(),
            status: CaseStatus::default(),
            team: None,
            created_at: UNIX_EPOCH,
            updated_at,
        };
        DirectoryCasePage { cases: vec![DirectoryCase { case, external_id: None }], has_more: true }
    }

    #[test]
    fn a_walk_that_an_older_release_has_begun_goes_on_in_the_order_of_ids() {
        let list = DirectoryCaseListDraft {
            updated_after: Some(Time { seconds: 1, nanos: 0 }),
            ..DirectoryCaseListDraft::default()
        };
        let filter = DirectoryCaseQuery::parse(list.clone()).unwrap().filter;
        let page_token = PageToken::after(7, &filter).to_string();
        let second = DirectoryCaseListDraft { page_token, ..list };
        let query = DirectoryCaseQuery::parse(second.clone()).unwrap();
        assert_eq!(query.start, DirectoryCaseStart::Id(CaseId::new(7)));
        let token = last_of_page(9, UNIX_EPOCH).next_page_token(&query).unwrap();
        assert_eq!(start(&token, &second), Some(DirectoryCaseStart::Id(CaseId::new(9))));
    }

    #[test]
    fn a_list_of_changes_begins_behind_all_changes_of_its_time() {
        let time = Time { seconds: 1, nanos: 0 };
        let list = DirectoryCaseListDraft {
            updated_after: Some(time),
            ..DirectoryCaseListDraft::default()
        };
        let begin = UNIX_EPOCH + Duration::from_secs(1);
        assert_eq!(start("", &list), Some(DirectoryCaseStart::Change(begin, None)));
    }

    #[test]
    fn reports_every_violation() {
        let draft = DirectoryCaseListDraft {
            page_size: -1,
            page_token: "x".to_owned(),
            status: Choice::Unknown,
            updated_after: Some(Time { seconds: 0, nanos: -1 }),
        };
        let violations = DirectoryCaseQuery::parse(draft).unwrap_err();
        let text = |v: &Violation| format!("{} {:?}", v.path, v.rule.reason);
        assert_eq!(
            violations.as_slice().iter().map(text).collect::<Vec<_>>(),
            [
                "page_size OutOfRange",
                "page_token InvalidPageToken",
                "status UnknownValue",
                "updated_after InvalidTime",
            ]
        );
    }
}
