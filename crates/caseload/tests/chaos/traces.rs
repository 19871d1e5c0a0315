//! The search for names of users who were erased, in the whole database.

use std::collections::HashSet;

use crate::{
    audit::Verdict,
    known::{ERASED, KnownStates},
    psql::Psql,
    report::Report,
};

/// Returns all tables, those of this test included.
const TABLES: &str = "SELECT c.oid::regclass FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%'
        AND n.nspname <> 'information_schema'";

/// Finds names of fed users, as in emails, in names and in external ids.
const NAME: &str = "(chaos-6[0-9]-[0-9]+-[0-9]+)";

/// Counts the places in which the name of a user is left whose erasure was acknowledged.
pub(crate) fn judge(users: &KnownStates, verdict: &mut Verdict, database: &Psql, report: &Report) {
    let erased: HashSet<String> = users.names_that_end_as(ERASED).into_iter().collect();
    for table in database.run(TABLES).lines() {
        // All columns of all types, as they are written.
        let names = database.run(&format!(
            "SELECT DISTINCT m.found[1] FROM ONLY {table} AS t
             CROSS JOIN LATERAL regexp_matches(t::text, '{NAME}', 'gi') AS m (found)"
        ));
        for name in names.lines().filter(|name| erased.contains(*name)) {
            verdict.traces += 1;
            report.finding(format!("{name} was erased and is still in {table}"));
        }
    }
}
