//! Whether constraints are there and in force, and the foreign keys of the database.

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _, sql_query,
    sql_types::{Array, Text},
};

use super::{
    checked::Checked,
    reading::reading,
    tables::{TABLES, Table},
};
use crate::{database::Database, error::Error};

/// A foreign key.
#[derive(Clone, Debug, QueryableByName)]
pub(super) struct ForeignKey {
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = Text)]
    pub(super) table: String,
    #[diesel(sql_type = Array<Text>)]
    columns: Vec<String>,
    #[diesel(sql_type = Text)]
    referenced_table: String,
    #[diesel(sql_type = Array<Text>)]
    referenced_columns: Vec<String>,
}

impl ForeignKey {
    /// Returns the statement that selects the rows of a page which refer to nothing.
    pub(super) fn faults(&self, table: &Table) -> String {
        let Self { columns, referenced_table, referenced_columns, .. } = self;
        let equal = columns.iter().zip(referenced_columns);
        let equal = equal.map(|(column, referenced)| format!("r.{referenced} = t.{column}"));
        let equal = equal.collect::<Vec<_>>().join(" AND ");
        let given = columns.iter().map(|column| format!("t.{column} IS NOT NULL"));
        let given = given.collect::<Vec<_>>().join(" AND ");
        let refers =
            columns.iter().map(|column| format!("t.{column}")).collect::<Vec<_>>().join(", ");
        let key = table.key_columns();
        format!(
            "SELECT format('{} %s refers to %s %s, which is missing', ({key}), '{referenced_table}', ({refers})) AS fault
             FROM page AS t
             WHERE {given} AND NOT EXISTS (SELECT FROM {referenced_table} AS r WHERE {equal})",
            self.table
        )
    }
}

/// The constraints, indexes, triggers and types of the schema, one a line, as [`PRESENT`] describes them. After a migration,
/// `UPDATE_DOCS=1 cargo test -p caseload-store --lib verification` writes the list anew.
pub(super) static EXPECTED: &str = include_str!("constraints.txt");

/// Describes what is there: a table; a kind; a name; columns, or what else there is to say that all versions of Postgres
/// print alike. Conditions and bodies are not among it.
const PRESENT: &str = "
    SELECT format(
        '%s: %s %s (%s)%s', t.relname,
        CASE c.contype
            WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique key' WHEN 'f' THEN 'foreign key' WHEN 'c' THEN 'check'
            ELSE 'exclusion'
        END,
        c.conname, own.names,
        CASE c.contype WHEN 'f' THEN format(' -> %s (%s)', r.relname, referenced.names) END
    ) AS line
    FROM pg_constraint AS c
    JOIN pg_class AS t ON t.oid = c.conrelid
    LEFT JOIN pg_class AS r ON r.oid = c.confrelid
    CROSS JOIN LATERAL (
        SELECT string_agg(a.attname, ', ' ORDER BY CASE c.contype WHEN 'c' THEN 0 ELSE n.no END, a.attname) AS names
        FROM unnest(c.conkey) WITH ORDINALITY AS n (number, no)
        JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = n.number
    ) AS own
    CROSS JOIN LATERAL (
        SELECT string_agg(a.attname, ', ' ORDER BY n.no) AS names
        FROM unnest(c.confkey) WITH ORDINALITY AS n (number, no)
        JOIN pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = n.number
    ) AS referenced
    WHERE c.conrelid = ANY ($1::text[]::regclass[]) AND c.contype IN ('p', 'u', 'f', 'c', 'x')
    UNION ALL
    SELECT format(
        '%s: %s %s (%s)%s', t.relname,
        CASE WHEN i.indisunique THEN 'unique index' ELSE 'index' END, n.relname, columns.names,
        CASE WHEN i.indpred IS NOT NULL THEN ' of some rows' END
    )
    FROM pg_index AS i
    JOIN pg_class AS t ON t.oid = i.indrelid
    JOIN pg_class AS n ON n.oid = i.indexrelid
    CROSS JOIN LATERAL (
        SELECT string_agg(coalesce(a.attname, 'an expression'), ', ' ORDER BY k.no) AS names
        FROM unnest(i.indkey) WITH ORDINALITY AS k (number, no)
        LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number AND k.number > 0
    ) AS columns
    WHERE i.indrelid = ANY ($1::text[]::regclass[])
        AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = i.indexrelid AND c.contype <> 'f')
    UNION ALL
    SELECT format(
        '%s: trigger %s (%s %s, each %s, %s)', t.relname, g.tgname,
        CASE WHEN g.tgtype & 2 > 0 THEN 'before' ELSE 'after' END,
        concat_ws(
            ' or ',
            CASE WHEN g.tgtype & 4 > 0 THEN 'insert' END, CASE WHEN g.tgtype & 16 > 0 THEN 'update' END,
            CASE WHEN g.tgtype & 8 > 0 THEN 'delete' END, CASE WHEN g.tgtype & 32 > 0 THEN 'truncate' END
        ),
        CASE WHEN g.tgtype & 1 > 0 THEN 'row' ELSE 'statement' END, p.proname
    )
    FROM pg_trigger AS g
    JOIN pg_class AS t ON t.oid = g.tgrelid
    JOIN pg_proc AS p ON p.oid = g.tgfoid
    WHERE g.tgrelid = ANY ($1::text[]::regclass[]) AND NOT g.tgisinternal
    UNION ALL
    SELECT format(
        '%s: type (%s)', t.relname,
        string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
    )
    FROM pg_class AS t
    JOIN pg_attribute AS a ON a.attrelid = t.oid
    JOIN pg_namespace AS s ON s.oid = t.relnamespace
    WHERE t.relkind = 'c' AND s.nspname = current_schema() AND a.attnum > 0 AND NOT a.attisdropped
    GROUP BY t.relname";

/// Returns what is wrong with what is there. More than what is expected is not wrong.
fn lacking(present: &[String]) -> Vec<String> {
    let missing = EXPECTED.lines().filter(|line| !present.iter().any(|it| it == line));
    let fault = |line: &str| {
        // Up to its name.
        let begin = line.find('(').map_or(line, |end| &line[..=end]);
        match present.iter().find(|it| it.starts_with(begin)) {
            Some(other) => format!("instead of {line}, there is {other}"),
            None => format!("{line} is missing"),
        }
    };
    missing.map(fault).collect()
}

/// A text.
#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Returns the foreign keys of all tables.
pub(super) fn foreign_keys(connection: &mut PgConnection) -> Result<Vec<ForeignKey>, Error> {
    let columns = |table: &str, numbers: &str| {
        format!(
            "(
                SELECT array_agg(quote_ident(a.attname) ORDER BY n.no)
                FROM unnest(c.{numbers}) WITH ORDINALITY AS n (number, no)
                JOIN pg_attribute AS a ON a.attrelid = c.{table} AND a.attnum = n.number
            )"
        )
    };
    let [own, referenced] = [columns("conrelid", "conkey"), columns("confrelid", "confkey")];
    let statement = format!(
        "SELECT
             c.conname::text AS name, t.relname::text AS table, {own} AS columns,
             r.relname::text AS referenced_table, {referenced} AS referenced_columns
         FROM pg_constraint AS c
         JOIN pg_class AS t ON t.oid = c.conrelid
         JOIN pg_class AS r ON r.oid = c.confrelid
         WHERE c.contype = 'f' AND c.conrelid = ANY ($1::text[]::regclass[])
         ORDER BY c.conname"
    );
    Ok(sql_query(statement).bind::<Array<Text>, _>(names()).load(connection)?)
}

fn names() -> Vec<&'static str> {
    TABLES.iter().map(|table| table.name).collect()
}

impl Database {
    /// Checks that this role may read all tables.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it may not.
    pub(super) async fn require_reading(&self) -> Result<(), Error> {
        const FORBIDDEN: &str = "
            SELECT n.name AS line
            FROM unnest($1::text[] || '__diesel_schema_migrations'::text) AS n (name)
            WHERE NOT has_table_privilege(to_regclass(n.name), 'SELECT')
                -- A policy may hide rows from the role.
                OR row_security_active(to_regclass(n.name))";
        let forbidden = self.lines("list_forbidden_tables", FORBIDDEN).await?;
        if forbidden.is_empty() {
            return Ok(());
        }
        let tables = forbidden.join(", ");
        Err(Error::Invalid(format!(
            "the role may not read {tables}: verify as the owner of the tables"
        )))
    }

    /// Returns what constraints, indexes and triggers there are, in order.
    pub(super) async fn present_constraints(&self) -> Result<Vec<String>, Error> {
        let mut present = self.lines("list_constraints", PRESENT).await?;
        present.sort_unstable();
        Ok(present)
    }

    /// Checks that no constraint, index or trigger of the schema is missing, switched off or incomplete.
    pub(super) async fn check_enforcement(&self) -> Result<Vec<Checked>, Error> {
        const COUNT: &str = "
            SELECT c.conname::text AS line FROM pg_constraint AS c
            WHERE c.conrelid = ANY ($1::text[]::regclass[])
            UNION ALL
            SELECT i.indexrelid::regclass::text FROM pg_index AS i
            WHERE i.indrelid = ANY ($1::text[]::regclass[])
            UNION ALL
            SELECT t.tgname::text FROM pg_trigger AS t WHERE t.tgrelid = ANY ($1::text[]::regclass[])";
        const FAULTS: &str = "
            SELECT format('constraint %s of %s was not checked for all rows', c.conname, c.conrelid::regclass) AS line
            FROM pg_constraint AS c
            WHERE c.conrelid = ANY ($1::text[]::regclass[]) AND NOT c.convalidated
            UNION ALL
            SELECT format('index %s of %s is not complete', i.indexrelid::regclass, i.indrelid::regclass)
            FROM pg_index AS i
            WHERE i.indrelid = ANY ($1::text[]::regclass[]) AND NOT (i.indisvalid AND i.indisready)
            UNION ALL
            SELECT format('trigger %s of %s is switched off', t.tgname, t.tgrelid::regclass)
            FROM pg_trigger AS t
            WHERE t.tgrelid = ANY ($1::text[]::regclass[]) AND t.tgenabled NOT IN ('O', 'A')";
        let count = self.lines("count_constraints", COUNT).await?.len();
        let faults = self.lines("list_constraints_out_of_force", FAULTS).await?;
        let lacking = lacking(&self.present_constraints().await?);
        let expected = EXPECTED.lines().count();
        Ok(vec![
            Checked::of("constraints, indexes, triggers and types are complete", expected, lacking),
            Checked::of("constraints, indexes and triggers are in force", count, faults),
        ])
    }

    async fn lines(
        &self,
        name: &'static str,
        statement: &'static str,
    ) -> Result<Vec<String>, Error> {
        self.read(name, move |connection| {
            reading(connection, |connection| {
                let query = sql_query(statement).bind::<Array<Text>, _>(names());
                let lines: Vec<Line> = query.load(connection)?;
                Ok(lines.into_iter().map(|line| line.line).collect())
            })
        })
        .await
    }
}
