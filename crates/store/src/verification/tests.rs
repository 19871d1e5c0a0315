//! Whether all tables, and what belongs to them, are known.

use std::{env, fs, path::Path};

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types::Text,
};
use localdb::Cluster;

use super::{constraints::EXPECTED, tables::TABLES};
use crate::{
    connections::{pool::PoolSettings, url::DatabaseUrl},
    database::Database,
};

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Returns a Postgres with a migrated database, the URL of that, and the database.
async fn migrated() -> (Cluster, String, Database) {
    let cluster = Cluster::temporary().start().unwrap();
    cluster.create_database("verified", None).unwrap();
    let url = cluster.url("verified");
    let settings = PoolSettings {
        writers: 0,
        readers: 1,
        changers: 0,
        tenant_queue_length: 1,
        checkout_timeout: std::time::Duration::from_secs(10),
        lock_timeout: std::time::Duration::from_secs(1),
    };
    let database = Database::open(&url.parse::<DatabaseUrl>().unwrap(), &settings);
    database.migrate().await.unwrap();
    (cluster, url, database)
}

/// What is not in the list would not be missed where it is missing.
#[tokio::test]
async fn the_list_of_constraints_is_that_of_a_migrated_database() {
    let (_cluster, _, database) = migrated().await;
    let mut present = database.present_constraints().await.unwrap().join("\n");
    present.push('\n');
    if env::var_os("UPDATE_DOCS").is_some() {
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/verification/constraints.txt");
        fs::write(list, &present).unwrap();
        return;
    }
    assert!(
        present == EXPECTED,
        "write it anew with UPDATE_DOCS=1 cargo test -p caseload-store --lib verification; it is\n{present}"
    );
}

#[tokio::test]
async fn each_table_of_the_schema_is_verified_along_its_primary_key() {
    let (_cluster, url, _) = migrated().await;
    let mut connection = PgConnection::establish(&url).unwrap();
    let statement = "
        SELECT
            c.conrelid::regclass || ': ' || string_agg(
                a.attname || ' ' || format_type(a.atttypid, NULL), ', ' ORDER BY n.no
            ) || coalesce(
                (
                    SELECT ', with ' || pg_get_serial_sequence(
                        -- It has none of its own, but the ids of all events ascend together.
                        CASE i.attrelid
                            WHEN 'creation_events'::regclass THEN 'task_events'
                            ELSE i.attrelid::regclass::text
                        END,
                        'id'
                    )
                    FROM pg_attribute AS i
                    WHERE i.attrelid = c.conrelid AND i.attname = 'id'
                ),
                ''
            ) AS line
        FROM pg_constraint AS c
        CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY AS n (number, no)
        JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = n.number
        WHERE c.contype = 'p' AND c.connamespace = 'public'::regnamespace
            AND c.conrelid <> '__diesel_schema_migrations'::regclass
        GROUP BY c.conrelid";
    let lines: Vec<Line> = sql_query(statement).load(&mut connection).unwrap();
    let mut found: Vec<_> = lines.into_iter().map(|line| line.line).collect();
    found.sort_unstable();
    let known = TABLES.iter().map(|table| {
        let key = table.key.iter().map(|(column, kind)| format!("{column} {kind}"));
        let key = key.collect::<Vec<_>>().join(", ");
        let sequence = table.sequence.map(|name| format!(", with public.{name}"));
        format!("{}: {key}{}", table.name, sequence.unwrap_or_default())
    });
    let mut known: Vec<_> = known.collect();
    known.sort_unstable();
    assert_eq!(found, known);
}
