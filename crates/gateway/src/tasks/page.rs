//! Pages of a list, by number.

use form_urlencoded::Serializer;

use super::dto::Meta;
use crate::extract::{BaseUrl, ListOptions};

/// One page of a list.
#[derive(Debug)]
pub(super) struct Page {
    /// What the request asked for.
    pub(super) list: ListOptions,
    /// The URL of the list.
    pub(super) base_url: BaseUrl,
    /// How many tasks there are in all.
    pub(super) count: i64,
}

impl Page {
    /// Returns what the response says about the page.
    pub(super) fn to_meta(&self) -> Meta {
        let current = i64::from(self.list.page);
        let per_page = i64::from(self.list.per_page);
        let pages = self.count.max(0).unsigned_abs().div_ceil(self.list.per_page.into());
        let pages = i64::try_from(pages).unwrap_or(i64::MAX);
        // Past the end, the page before is the last one that there is.
        let previous = Some((current - 1).min(pages)).filter(|page| *page >= 1);
        let next = Some(current + 1).filter(|page| *page <= pages);
        Meta {
            current_page: current,
            previous_page: previous.map(|page| self.link(page)),
            next_page: next.map(|page| self.link(page)),
            next_page_number: next,
            per_page,
            pages,
            count: self.count,
        }
    }

    /// Returns the URL of another page of the same list.
    fn link(&self, page: i64) -> String {
        let url = format!("{}?", self.base_url.0);
        let start = url.len();
        let mut query = Serializer::for_suffix(url, start);
        query.append_pair("page", &page.to_string());
        query.append_pair("per_page", &self.list.per_page.to_string());
        if let Some(completed) = self.list.completed {
            query.append_pair("completed", if completed { "true" } else { "false" });
        }
        if let Some(email) = &self.list.assignee_email {
            query.append_pair("assignee_email", email);
        }
        if let Some(time) = self.list.updated_after {
            query.append_pair("updated_after", &time.to_string());
        }
        query.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(page: u32, count: i64) -> Meta {
        let list = ListOptions {
            page,
            per_page: 10,
            completed: Some(false),
            assignee_email: Some("a+b@c".to_owned()),
            updated_after: None,
        };
        Page { list, base_url: BaseUrl("https://api.example/tasks".to_owned()), count }.to_meta()
    }

    fn link(page: u32) -> Option<String> {
        let query = format!("page={page}&per_page=10&completed=false&assignee_email=a%2Bb%40c");
        Some(format!("https://api.example/tasks?{query}"))
    }

    #[test]
    fn pages_link_to_their_neighbours() {
        for (page, count, previous, next, pages) in [
            (1, 0, None, None, 0),
            (1, 10, None, None, 1),
            (1, 11, None, Some(2), 2),
            (2, 11, Some(1), None, 2),
            (2, 30, Some(1), Some(3), 3),
            (9, 30, Some(3), None, 3),
            (2, 0, None, None, 0),
            (u32::MAX, 1, Some(1), None, 1),
        ] {
            let meta = meta(page, count);
            assert_eq!(meta.current_page, i64::from(page));
            assert_eq!(meta.previous_page, previous.and_then(link), "{page} of {count}");
            assert_eq!(meta.next_page, next.and_then(link), "{page} of {count}");
            assert_eq!(meta.next_page_number, next.map(i64::from));
            assert_eq!((meta.per_page, meta.pages, meta.count), (10, pages, count));
        }
    }
}
