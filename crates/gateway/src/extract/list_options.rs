//! Which page of which list of tasks a request asks for.

use std::str::FromStr as _;

use axum::extract::FromRequestParts;
use http::request::Parts;
use proto::{Timestamp, wire::FieldReason};

use super::{PageOptions, Rejection, query::Query};
use crate::openapi::{
    Draft, Input,
    schema::{EmailFilter, Flag, TimeFilter},
};

/// The parameters of a list.
#[derive(Clone, Debug)]
pub(crate) struct ListOptions {
    /// Which page.
    pub(crate) page: PageOptions,
    /// Only tasks that are, or are not, completed.
    pub(crate) completed: Option<bool>,
    /// Only tasks of the user with this email.
    pub(crate) assignee_email: Option<String>,
    /// Only tasks that were changed later than this.
    pub(crate) updated_after: Option<Timestamp>,
}

/// The parameter with the email of a user.
pub(crate) const ASSIGNEE_EMAIL: &str = "assignee_email";

type Parsed<T> = Result<T, (FieldReason, &'static str)>;

impl<S: Send + Sync> FromRequestParts<S> for ListOptions {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Self::parse(parts.uri.query())
    }
}

impl ListOptions {
    /// Reads a query string.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, Rejection> {
        let mut query = Query::new(query);
        let options = Self {
            page: PageOptions::take(&mut query),
            completed: query.take("completed", Query::boolean),
            assignee_email: query.take(ASSIGNEE_EMAIL, email),
            updated_after: query.take("updated_after", time),
        };
        query.finish().map_err(Rejection::Query)?;
        Ok(options)
    }
}

/// The server judges what an email is; to it, an empty one means all users.
fn email(text: &str) -> Parsed<String> {
    if text.is_empty() {
        return Err((FieldReason::InvalidEmail, "this is not an email address"));
    }
    Ok(text.to_owned())
}

fn time(text: &str) -> Parsed<Timestamp> {
    let invalid = (FieldReason::InvalidTime, "expected a time as 2024-03-25T15:40:39Z");
    Timestamp::from_str(text).map_err(|_| invalid)
}

impl Input for ListOptions {
    fn describe(draft: &mut Draft) {
        PageOptions::describe(draft);
        draft.query::<Flag>("completed", "Only tasks that are, or are not, completed.");
        draft.query::<EmailFilter>(
            ASSIGNEE_EMAIL,
            "Only tasks of the user with this email, compared without regard to case.",
        );
        draft.query::<TimeFilter>(
            "updated_after",
            "Only tasks with a later `updated_at`: a time as in RFC 3339. A `+` in it must be written as \
             `%2B`.",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(query: &str) -> Vec<(String, FieldReason)> {
        match ListOptions::parse(Some(query)) {
            Ok(_) => vec![],
            Err(Rejection::Query(errors)) => {
                errors.into_iter().map(|error| (error.parameter, error.reason)).collect()
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_parameters_a_list_starts_at_its_first_page_of_20() {
        let options = ListOptions::parse(None).unwrap();
        assert_eq!((options.page.page, options.page.per_page), (1, 20));
        assert_eq!((options.completed, options.assignee_email), (None, None));
        assert_eq!(options.updated_after, None);
    }

    #[test]
    fn every_parameter_is_read() {
        let query = "page=3&per_page=50&completed=true&assignee_email=a%2Bb%40c\
                     &updated_after=2024-03-25T16:40:39.5%2B01:00";
        let options = ListOptions::parse(Some(query)).unwrap();
        assert_eq!((options.page.page, options.page.per_page), (3, 50));
        assert_eq!(options.completed, Some(true));
        assert_eq!(options.assignee_email.as_deref(), Some("a+b@c"));
        let time = Timestamp { seconds: 1_711_381_239, nanos: 500_000_000 };
        assert_eq!(options.updated_after, Some(time));
    }

    #[test]
    fn a_parameter_out_of_its_range_is_rejected_not_adjusted() {
        for (name, values, reason) in [
            ("page", &["0", "-1", "+1", "1.0", "x", "", "4294967296"][..], FieldReason::OutOfRange),
            ("per_page", &["0", "51", "256", "-1", "", "ten"], FieldReason::OutOfRange),
            ("completed", &["1", "True", "", "yes"], FieldReason::WrongType),
            ("assignee_email", &[""], FieldReason::InvalidEmail),
            (
                "updated_after",
                &["", "x", "1711381239", "2024-02-30T00:00:00Z"],
                FieldReason::InvalidTime,
            ),
        ] {
            for value in values {
                let query = format!("{name}={value}");
                assert_eq!(errors(&query), [(name.to_owned(), reason)], "{query}");
            }
        }
        assert_eq!(errors("page=0&per_page=0").len(), 2);
        assert_eq!(
            errors("assignee=a@b"),
            [("assignee".to_owned(), FieldReason::UnknownParameter)]
        );
    }
}
