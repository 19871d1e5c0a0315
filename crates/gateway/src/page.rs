//! Pages of a list, by number.

use form_urlencoded::Serializer;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    extract::{BaseUrl, PageOptions},
    openapi::schema::{Count, Link},
};

/// Where in a list a page is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Meta {
    /// The number of the page, as the request has it.
    #[schema(value_type = Count)]
    pub(crate) current_page: i64,
    /// The URL of the page before with the same filters. Past the end, that of the last page.
    #[schema(value_type = Option<Link>, required)]
    pub(crate) previous_page: Option<String>,
    /// The URL of the next page with the same filters.
    #[schema(value_type = Option<Link>, required)]
    pub(crate) next_page: Option<String>,
    /// The number of the next page.
    #[schema(value_type = Option<Count>, required)]
    pub(crate) next_page_number: Option<i64>,
    /// The most items of a page, as the request has it.
    #[schema(value_type = Count)]
    pub(crate) per_page: i64,
    /// How many pages the items fill.
    #[schema(value_type = Count)]
    pub(crate) pages: i64,
    /// How many items pass the filters.
    #[schema(value_type = Count)]
    pub(crate) count: i64,
}

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    /// Which page the request asked for.
    pub(crate) options: PageOptions,
    /// The other parameters of its query string.
    pub(crate) filters: Vec<(&'static str, String)>,
    /// The URL of the list.
    pub(crate) base_url: BaseUrl,
    /// How many items there are in all.
    pub(crate) count: i64,
}

impl Page {
    /// Returns what the response says about the page.
    pub(crate) fn to_meta(&self) -> Meta {
        let current = i64::from(self.options.page);
        let per_page = i64::from(self.options.per_page);
        let pages = self.count.max(0).unsigned_abs().div_ceil(self.options.per_page.into());
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
        query.append_pair("per_page", &self.options.per_page.to_string());
        query.extend_pairs(&self.filters);
        query.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(page: u32, count: i64) -> Meta {
        let filters = [("completed", "false"), ("assignee_email", "a+b@c")];
        let filters = filters.map(|(name, value)| (name, value.to_owned())).to_vec();
        let options = PageOptions { page, per_page: 10 };
        let base_url = BaseUrl("https://api.example/tasks".to_owned());
        Page { options, filters, base_url, count }.to_meta()
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
