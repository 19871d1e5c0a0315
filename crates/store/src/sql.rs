//! Statements whose text is in a .sql file.
//!
//! Diesel never caches a `sql_query`, so it would be parsed and planned again for each call. These
//! are bound as a `QueryFragment` with a static `QueryId`: prepared once for each connection.

use std::marker::PhantomData;

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
};

/// The text of a statement, split at its parameters.
#[derive(Debug)]
pub(crate) struct Sql {
    /// Each piece of text, and the number of the parameter that follows it.
    pieces: Vec<(String, usize)>,
    /// What follows the last parameter.
    end: String,
}

impl Sql {
    /// Removes comments, blank lines and indentation, and splits the text at its parameters (`$1`,
    /// …). A parameter may stand in several places.
    pub(crate) fn new(text: &str) -> Self {
        let mut code = String::new();
        for line in text.lines().map(str::trim) {
            if !line.is_empty() && !line.starts_with("--") {
                code.push_str(line);
                code.push('\n');
            }
        }
        let mut pieces = Vec::new();
        let mut rest = code.as_str();
        while let Some((piece, after)) = rest.split_once('$') {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = after.split_at(digits);
            pieces.push((piece.to_owned(), number.parse().unwrap_or_default()));
            rest = after;
        }
        Self { pieces, end: rest.to_owned() }
    }

    /// Returns the text as it is sent, with these parameters: each place of a parameter is one of its
    /// own.
    #[cfg(test)]
    pub(crate) fn prepared(&self, name: &str, values: &[&str]) -> [String; 2] {
        let places = self.pieces.iter().enumerate();
        let text = places.map(|(place, (piece, _))| format!("{piece}${}", place + 1));
        let text = text.collect::<String>() + &self.end;
        let values: Vec<_> = self.pieces.iter().map(|(_, number)| values[number - 1]).collect();
        // Without parameters, there are no parentheses.
        let values = match values.is_empty() {
            true => String::new(),
            false => format!("({})", values.join(", ")),
        };
        [format!("PREPARE {name} AS {text}"), format!("EXECUTE {name}{values}")]
    }
}

/// A statement, apart from the values of its parameters.
pub(crate) trait Statement: 'static {
    /// The types of its columns.
    type Columns;

    /// Returns its text, always the same.
    fn text() -> &'static Sql;
}

/// The values of a statement's parameters.
pub(crate) trait Parameters {
    /// Binds the parameter with this number.
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()>;
}

/// A statement with its parameters, ready to run.
#[derive(Debug)]
pub(crate) struct Bound<S, P> {
    parameters: P,
    statement: PhantomData<S>,
}

/// Binds a statement's parameters.
pub(crate) fn bind<S: Statement, P: Parameters>(_: S, parameters: P) -> Bound<S, P> {
    Bound { parameters, statement: PhantomData }
}

impl<S: Statement, P: Parameters> Bound<S, P> {
    /// Writes the statement behind a common table expression, which takes over its `WITH` if it has one.
    pub(crate) fn walk_behind_cte<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut pieces = S::text().pieces.iter();
        if let Some((piece, number)) = pieces.next() {
            match piece.strip_prefix("WITH ") {
                Some(rest) => {
                    out.push_sql(", ");
                    out.push_sql(rest);
                }
                None => {
                    out.push_sql(" ");
                    out.push_sql(piece);
                }
            }
            self.parameters.bind(*number, &mut out)?;
        }
        self.walk_rest(pieces, out)
    }

    fn walk_rest<'b>(
        &'b self,
        pieces: std::slice::Iter<'static, (String, usize)>,
        mut out: AstPass<'_, 'b, Pg>,
    ) -> QueryResult<()> {
        for (piece, number) in pieces {
            out.push_sql(piece);
            self.parameters.bind(*number, &mut out)?;
        }
        out.push_sql(&S::text().end);
        Ok(())
    }
}

impl<S: Statement, P: Parameters> QueryFragment<Pg> for Bound<S, P> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.walk_rest(S::text().pieces.iter(), out)
    }
}

impl<S: Statement, P> QueryId for Bound<S, P> {
    type QueryId = S;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<S: Statement, P> Query for Bound<S, P> {
    type SqlType = S::Columns;
}

impl<S: Statement, P> RunQueryDsl<PgConnection> for Bound<S, P> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_at_its_parameters() {
        let sql =
            Sql::new("-- $9 is not code\nSELECT $1::bigint,\n\n    $2 + $1\n  -- nor is this\n");
        let pieces: Vec<_> = sql.pieces.iter().map(|(text, n)| (text.as_str(), *n)).collect();
        assert_eq!(pieces, [("SELECT ", 1), ("::bigint,\n", 2), (" + ", 1)]);
        assert_eq!(sql.end, "\n");
    }
}
