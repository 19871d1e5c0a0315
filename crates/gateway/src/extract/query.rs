//! The parameters of the query string.

use std::borrow::Cow;

use proto::wire::FieldReason;

/// The parameters of a query string. Each is taken at most once; what is wrong with them all is
/// reported in the end.
#[derive(Debug)]
pub(super) struct Query<'a> {
    parameters: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    errors: Vec<QueryError>,
}

/// What is wrong with a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryError {
    /// The name of the parameter, shortened if it is long.
    pub(crate) parameter: String,
    pub(crate) reason: FieldReason,
    /// A sentence for people, without the value.
    pub(crate) message: &'static str,
}

/// The longest name that is repeated to the caller, in characters.
const MAX_CHARS: usize = 200;

impl<'a> Query<'a> {
    /// Splits a query string at `&` and `=`, and decodes it.
    pub(super) fn new(query: Option<&'a str>) -> Self {
        let parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).collect();
        Self { parameters, errors: Vec::new() }
    }

    /// Takes a parameter; `None` if it is absent, given twice, or not what `parse` takes.
    pub(super) fn take<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, (FieldReason, &'static str)>,
    ) -> Option<T> {
        let mut values = self.parameters.extract_if(.., |(other, _)| other == name);
        let (_, value) = values.next()?;
        let is_repeated = values.count() > 0;
        if is_repeated {
            self.report(name, FieldReason::DuplicateParameter, "the parameter is given twice");
            return None;
        }
        parse(&value).map_err(|(reason, message)| self.report(name, reason, message)).ok()
    }

    /// Concludes: parameters that were not taken are unknown.
    ///
    /// # Errors
    /// Everything that is wrong with the query.
    pub(super) fn finish(mut self) -> Result<(), Vec<QueryError>> {
        // Any number of names may be unknown; the first one tells enough.
        if let Some((name, _)) = self.parameters.first() {
            let name = name.chars().take(MAX_CHARS).collect::<String>();
            self.report(&name, FieldReason::UnknownParameter, "there is no such parameter");
        }
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors) }
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(text: &str) -> Result<bool, (FieldReason, &'static str)> {
        text.parse().map_err(|_| (FieldReason::WrongType, "expected true or false"))
    }

    fn report(&mut self, name: &str, reason: FieldReason, message: &'static str) {
        self.errors.push(QueryError { parameter: name.to_owned(), reason, message });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<u8, (FieldReason, &'static str)> {
        text.parse().map_err(|_| (FieldReason::WrongType, ""))
    }

    fn errors(query: &str) -> Vec<(String, FieldReason)> {
        let mut query = Query::new(Some(query));
        query.take("a", number);
        query.take("b", number);
        let errors = query.finish().err().unwrap_or_default();
        errors.into_iter().map(|error| (error.parameter, error.reason)).collect()
    }

    #[test]
    fn parameters_are_decoded_and_taken_once() {
        let mut query = Query::new(Some("a=%31%32&b=+x&"));
        assert_eq!(query.take("a", number), Some(12));
        assert_eq!(query.take("b", |text| Ok(text.to_owned())).as_deref(), Some(" x"));
        assert_eq!(query.take("c", number), None);
        assert_eq!(query.finish(), Ok(()));
    }

    #[test]
    fn everything_that_is_wrong_is_reported() {
        assert_eq!(errors(""), []);
        assert_eq!(
            errors("x=1&b=300&a=1&a=2&y"),
            [
                ("a".to_owned(), FieldReason::DuplicateParameter),
                ("b".to_owned(), FieldReason::WrongType),
                ("x".to_owned(), FieldReason::UnknownParameter),
            ]
        );
        let long = "é".repeat(1000);
        assert_eq!(errors(&long)[0].0.chars().count(), MAX_CHARS);
    }
}
