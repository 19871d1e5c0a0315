//! Which page of a list a request asks for.

use axum::extract::FromRequestParts;
use http::request::Parts;
use proto::wire::{
    FieldReason,
    limits::{DEFAULT_PAGE_ITEMS, PAGE_ITEMS},
};

use super::{Rejection, query::Query};
use crate::openapi::{
    Draft, Input,
    schema::{PageNumber, PageSize},
};

/// The parameters of a list that has no others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageOptions {
    /// The number of the page, from 1.
    pub(crate) page: u32,
    /// The most items of a page, 1 to 50.
    pub(crate) per_page: u8,
}

type Parsed<T> = Result<T, (FieldReason, &'static str)>;

impl<S: Send + Sync> FromRequestParts<S> for PageOptions {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let mut query = Query::new(parts.uri.query());
        let options = Self::take(&mut query);
        query.finish().map_err(Rejection::Query)?;
        Ok(options)
    }
}

impl PageOptions {
    /// Takes the parameters from a query string that may have others.
    pub(super) fn take(query: &mut Query<'_>) -> Self {
        Self {
            page: query.take("page", page).unwrap_or(1),
            per_page: query.take("per_page", per_page).unwrap_or(DEFAULT_PAGE_ITEMS),
        }
    }

    /// Returns how many items come before the page.
    pub(crate) fn skip(self) -> i64 {
        i64::from(self.page - 1) * i64::from(self.per_page)
    }
}

fn page(text: &str) -> Parsed<u32> {
    plain(text)
        .filter(|page| *page > 0)
        .ok_or((FieldReason::OutOfRange, "a page is a whole number from 1 to 4294967295"))
}

fn per_page(text: &str) -> Parsed<u8> {
    plain(text)
        .and_then(|size| u8::try_from(size).ok())
        .filter(|size| (1..=PAGE_ITEMS).contains(size))
        .ok_or((FieldReason::OutOfRange, "a page has 1 to 50 items"))
}

/// Reads a number in plain decimal digits.
fn plain(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

impl Input for PageOptions {
    fn describe(draft: &mut Draft) {
        draft.query::<PageNumber>(
            "page",
            "The number of the page. Past the last one the list is empty.",
        );
        draft.query::<PageSize>("per_page", "The most items of a page.");
        draft.no_other_query();
    }
}
