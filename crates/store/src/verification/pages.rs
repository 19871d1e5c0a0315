//! Reads a table page by page, and checks each page.

use diesel::{
    PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, sql_query,
    sql_types::{Array, BigInt, Nullable, Text},
};

use super::{
    checked::{Checked, EXAMPLES},
    constraints::ForeignKey,
    reading::reading,
    tables::Table,
};
use crate::{database::Database, error::Error};

/// The rows of a page.
const PAGE: u64 = 5000;

/// Where a page ends.
#[derive(QueryableByName)]
struct Page {
    #[diesel(sql_type = BigInt)]
    rows: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    greatest_id: Option<i64>,
    /// The key of the last row.
    #[diesel(sql_type = Array<Text>)]
    last: Vec<String>,
}

/// What is wrong in a page.
#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    faults: i64,
    #[diesel(sql_type = Array<Text>)]
    examples: Vec<String>,
}

/// A check of the rows of a page.
#[derive(Clone, Debug)]
struct PageCheck {
    name: String,
    statement: String,
}

impl Database {
    /// Checks the rows of a table: its own rules, its foreign keys, and that its sequence is behind all ids.
    pub(super) async fn check_table(
        &self,
        table: &'static Table,
        keys: &[ForeignKey],
    ) -> Result<Vec<Checked>, Error> {
        let own = table.checks.iter().map(|check| PageCheck {
            name: check.name.to_owned(),
            statement: of_page(table, check.faults),
        });
        let keys = keys.iter().filter(|key| key.table == table.name).map(|key| PageCheck {
            name: format!("{} holds", key.name),
            statement: of_page(table, &key.faults(table)),
        });
        let checks: Vec<_> = keys.chain(own).collect();
        let mut all: Vec<_> =
            checks.iter().map(|check| Checked::new(check.name.as_str())).collect();
        let mut greatest: Option<i64> = None;
        let mut after = table.before_all();
        loop {
            let (begin, page_checks) = (after.clone(), checks.clone());
            let page = self
                .read("verify_page", move |connection| {
                    reading(connection, |connection| read(connection, table, &begin, &page_checks))
                })
                .await?;
            let Some((page, found)) = page else { break };
            greatest = greatest.max(page.greatest_id);
            for (checked, found) in all.iter_mut().zip(found) {
                let [rows, faults] =
                    [page.rows, found.faults].map(|it| u64::try_from(it).unwrap_or(0));
                checked.add(rows, faults, found.examples);
            }
            after = page.last;
        }
        if let Some(sequence) = table.sequence {
            all.push(self.check_sequence(table.name, sequence, greatest.unwrap_or(0)).await?);
        }
        Ok(all)
    }

    /// Checks that the next id of a table is a new one.
    async fn check_sequence(
        &self,
        table: &'static str,
        sequence: &'static str,
        greatest: i64,
    ) -> Result<Checked, Error> {
        let last = self
            .read("verify_sequence", move |connection| {
                reading(connection, |connection| {
                    let statement = format!(
                        "SELECT coalesce(pg_sequence_last_value('{sequence}'::regclass), 0) AS last"
                    );
                    Ok(sql_query(statement).get_result::<Sequence>(connection)?.last)
                })
            })
            .await?;
        let faults = if last < greatest {
            vec![format!("the sequence of {table} is at {last}, and there is an id {greatest}")]
        } else {
            Vec::new()
        };
        Ok(Checked::of(format!("the sequence of {table} is behind all ids"), 1, faults))
    }
}

#[derive(QueryableByName)]
struct Sequence {
    #[diesel(sql_type = BigInt)]
    last: i64,
}

/// Reads the next page after a key. Returns `None` behind the last one.
fn read(
    connection: &mut PgConnection,
    table: &Table,
    after: &[String],
    checks: &[PageCheck],
) -> Result<Option<(Page, Vec<Found>)>, Error> {
    let statement = page_statement(table);
    let pages: Vec<Page> = sql_query(statement).bind::<Array<Text>, _>(after).load(connection)?;
    let Some(page) = pages.into_iter().next() else { return Ok(None) };
    let found = |check: &PageCheck| {
        sql_query(&check.statement)
            .bind::<Array<Text>, _>(after)
            .bind::<Array<Text>, _>(&page.last)
            .get_result(connection)
    };
    let found = checks.iter().map(found).collect::<QueryResult<Vec<Found>>>()?;
    Ok(Some((page, found)))
}

/// Returns the statement that reads where a page after `$1` ends.
fn page_statement(table: &Table) -> String {
    let (key, after, name) = (table.key_columns(), table.key_values("$1"), table.name);
    let descending = key.replace(", ", " DESC, ");
    let texts = key.replace(", ", "::text, ");
    let greatest = if table.sequence.is_some() { "max(p.id)" } else { "max(NULL::bigint)" };
    format!(
        "WITH page AS MATERIALIZED (
             SELECT * FROM {name} AS t WHERE ({key}) > ({after}) ORDER BY {key} LIMIT {PAGE}
         )
         SELECT
             (SELECT count(*) FROM page) AS rows,
             (SELECT {greatest} FROM page AS p) AS greatest_id,
             ARRAY[{texts}::text] AS last
         FROM page AS t
         ORDER BY {descending} DESC
         LIMIT 1"
    )
}

/// Returns the statement that counts faults of the rows after `$1` up to `$2`. Rows may have been added since the end
/// of the page was read; the limit tells the planner that they are few.
fn of_page(table: &Table, faults: &str) -> String {
    let (key, name) = (table.key_columns(), table.name);
    let [after, to] = ["$1", "$2"].map(|parameter| table.key_values(parameter));
    let (most, examples) = (2 * PAGE, EXAMPLES);
    format!(
        "WITH page AS MATERIALIZED (
             SELECT *
             FROM {name} AS t
             WHERE ({key}) > ({after}) AND ({key}) <= ({to})
             ORDER BY {key}
             LIMIT {most}
         )
         SELECT count(*) AS faults, coalesce((array_agg(f.fault))[1:{examples}], '{{}}') AS examples
         FROM ({faults}) AS f"
    )
}
