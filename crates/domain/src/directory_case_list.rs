//! Lists of cases as the directory knows them: the input, checked, and the output.

use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use crate::{
    CaseId, CaseStatus, Choice, DirectoryCase, DirectoryPageSize, FieldPath, ListFilter, PageToken,
    Time, Violation, Violations, time::micros,
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
    /// The case after which the page begins; `None` for the first page.
    pub after: Option<CaseId>,
    /// The most cases to return.
    pub page_size: DirectoryPageSize,
}

/// A page of a list of cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryCasePage {
    /// The cases, in the order of their ids.
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
        let after = PageToken::position(&draft.page_token, &filter);
        let after = after.map_err(|rule| report("page_token", rule)).ok().flatten();
        let after = after.and_then(CaseId::new);
        if draft.status == Choice::Unknown {
            report("status", &CaseStatus::UNKNOWN);
        }
        if let Err(rule) = updated_after {
            report("updated_after", rule);
        }
        match page_size {
            Ok(page_size) if violations.is_empty() => Ok(Self { filter, after, page_size }),
            _ => Err(Violations(violations)),
        }
    }
}

impl DirectoryCasePage {
    /// Returns the token of the next page of the list with this filter; `None` after the last page.
    #[must_use]
    pub fn next_page_token(&self, filter: &DirectoryCaseFilter) -> Option<String> {
        let last = self.cases.last().filter(|_| self.has_more)?;
        Some(PageToken::after(last.case.id.get(), filter).to_string())
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
    use super::*;

    fn position(token: &str, draft: DirectoryCaseListDraft) -> Option<CaseId> {
        let draft = DirectoryCaseListDraft { page_token: token.to_owned(), ..draft };
        DirectoryCaseQuery::parse(draft).ok()?.after
    }

    #[test]
    fn a_token_belongs_to_one_list() {
        let time = Some(Time { seconds: 1, nanos: 1000 });
        let list = DirectoryCaseListDraft {
            status: Choice::Known(CaseStatus::Open),
            updated_after: time,
            ..DirectoryCaseListDraft::default()
        };
        let filter = DirectoryCaseQuery::parse(list.clone()).unwrap().filter;
        let token = PageToken::after(7, &filter).to_string();
        assert_eq!(position(&token, list.clone()), CaseId::new(7));
        for other in [
            DirectoryCaseListDraft::default(),
            DirectoryCaseListDraft { status: Choice::Unset, ..list.clone() },
            DirectoryCaseListDraft { status: Choice::Known(CaseStatus::Closed), ..list.clone() },
            DirectoryCaseListDraft { updated_after: None, ..list.clone() },
            DirectoryCaseListDraft { updated_after: Some(Time::default()), ..list },
        ] {
            assert_eq!(position(&token, other), None);
        }
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
