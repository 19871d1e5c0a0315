//! Tests of queries that forget the tenant, or name another one.

use std::time::Duration;

use diesel::{
    Connection as _, ExpressionMethods as _, QueryableByName, connection::SimpleConnection as _,
    sql_query, sql_types::BigInt,
};
use domain::{CaseId, TaskKey};
use localdb::Cluster;

use super::*;
use crate::{
    connections::{lane::Lane, pool::PoolSettings, url::DatabaseUrl},
    database::Database,
    error::Error,
    row_level_security,
    schema::{tasks, users},
    tasks::{TaskReader, get::Wanted},
};

/// Two tenants with a row in each table, whose ids are the same.
const DATA: &str = "
    INSERT INTO tenants (id, name) VALUES (1, 'a'), (2, 'b');
    INSERT INTO users (tenant_id, id, email, first_name, last_name)
        SELECT t, 1, 'user@tenant' || t, 'a', 'b' FROM generate_series(1, 2) AS t;
    INSERT INTO cases (tenant_id, id, name) VALUES (1, 1, 'a'), (2, 1, 'b');
    INSERT INTO tasks (tenant_id, id, case_id, description) VALUES (1, 1, 1, 'a'), (2, 1, 1, 'b');
    INSERT INTO task_assignees (tenant_id, task_id, user_id, position)
        VALUES (1, 1, 1, 0), (2, 1, 1, 0);
    INSERT INTO task_events (tenant_id, kind, case_id, task_id, api_key_id, request_id)
        SELECT t, 'completed', 1, 1, 1, 'r' FROM generate_series(1, 2) AS t;
    INSERT INTO creation_events (id, tenant_id, case_id, api_key_id, task_ids, user_ends, request_id)
        SELECT 1, t, 1, 1, '{1}', '{0}', 'r' FROM generate_series(1, 2) AS t;
    INSERT INTO api_keys (tenant_id, name, digest, scopes)
        SELECT t, 'a', sha256(t::text::bytea), '{admin}' FROM generate_series(1, 2) AS t;
    INSERT INTO idempotency_keys (tenant_id, key, operation, fingerprint)
        SELECT t, 'k', 'none', sha256('') FROM generate_series(1, 2) AS t;
    INSERT INTO audit_heads (tenant_id) VALUES (1), (2);
    INSERT INTO audit_outbox (tenant_id, event, api_key_id, request_id)
        SELECT t, 'case.created', 1, 'r' FROM generate_series(1, 2) AS t";

pub(crate) const SETTINGS: PoolSettings = PoolSettings {
    writers: 0,
    readers: 1,
    changers: 1,
    tenant_queue_length: 40,
    checkout_timeout: Duration::from_secs(10),
    lock_timeout: Duration::from_secs(1),
};

/// Starts a Postgres with these data, to which the database connects as the service's role.
pub(crate) async fn start() -> (Cluster, Database) {
    let cluster = Cluster::temporary().start().unwrap();
    cluster.create_database("scoped", None).unwrap();
    let url = cluster.url("scoped");
    Database::open(&url.parse().unwrap(), &SETTINGS).migrate().await.unwrap();
    row_level_security::set_up(&cluster, "scoped");
    PgConnection::establish(&url).unwrap().batch_execute(DATA).unwrap();
    let database = Database::open_with_row_level_security(&service_url(&cluster), &SETTINGS);
    (cluster, database)
}

/// Returns the URL of the database for the service's role.
pub(crate) fn service_url(cluster: &Cluster) -> DatabaseUrl {
    let url = cluster.url("scoped");
    let (_, rest) = url.split_once('@').unwrap();
    format!("postgresql://caseload_service@{rest}").parse().unwrap()
}

fn tenant(id: i64) -> TenantId {
    TenantId::new(id).unwrap()
}

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Returns the names of the tables that meet a condition.
fn tables(connection: &mut PgConnection, condition: &str) -> Vec<String> {
    let tables = sql_query(format!(
        "SELECT relname::text AS name FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND {condition}
         ORDER BY relname"
    ));
    tables.load::<Table>(connection).unwrap().into_iter().map(|table| table.name).collect()
}

/// Returns the tables that the session's role may read.
fn readable_tables(connection: &mut PgConnection) -> Vec<String> {
    tables(connection, "has_any_column_privilege(oid, 'SELECT')")
}

/// Returns how many rows of a table meet a condition.
fn count(connection: &mut PgConnection, table: &str, condition: &str) -> i64 {
    let query = sql_query(format!("SELECT count(*) FROM {table} WHERE {condition}"));
    query.get_result::<Count>(connection).unwrap().count
}

#[test]
fn a_scope_names_each_tenant_once() {
    assert_eq!(Scope::of([7, 2, 7].map(tenant)).as_str(), "{2,7}");
    assert_eq!(Scope::of([]).as_str(), "{}");
}

/// What a new table has to do with tenants must be decided: a table with `tenant_id` gets policies by itself.
#[tokio::test]
async fn every_table_is_restricted_or_known_to_be_read_for_no_tenant() {
    const OTHERS: [&str; 3] = ["__diesel_schema_migrations", "tenant_hosts", "tenants"];

    let (cluster, _) = start().await;
    let mut connection = PgConnection::establish(&cluster.url("scoped")).unwrap();
    let mut known = [&row_level_security::TABLES[..], &OTHERS].concat();
    known.sort_unstable();
    assert_eq!(tables(&mut connection, "true"), known);

    let has_policies = "relrowsecurity AND (
        SELECT array_agg(polname ORDER BY polname) = '{caseload_all,caseload_tenants}'
        FROM pg_policy WHERE polrelid = pg_class.oid
    )";
    let mut restricted = [&row_level_security::TABLES[..], &["tenant_hosts"]].concat();
    restricted.sort_unstable();
    assert_eq!(tables(&mut connection, has_policies), restricted);
    let of_tenants = "has_any_column_privilege('caseload_tenant', oid, 'SELECT, INSERT, UPDATE')";
    assert_eq!(tables(&mut connection, of_tenants), row_level_security::TABLES);
}

#[tokio::test]
async fn a_query_for_one_tenant_gets_no_row_of_another_whatever_it_asks_for() {
    let (_cluster, database) = start().await;
    assert!(database.has_current_schema().await.unwrap());
    let read = database.read_for(tenant(1), "forgetful", |connection| {
        // Entries of the audit log are written only.
        let expected = row_level_security::TABLES.into_iter().filter(|it| *it != "audit_entries");
        let tables = readable_tables(connection);
        assert_eq!(tables, expected.collect::<Vec<_>>());
        for table in tables {
            assert_eq!(count(connection, &table, "tenant_id = 1"), 1, "{table}");
            assert_eq!(count(connection, &table, "tenant_id = 2"), 0, "{table}");
            assert_eq!(count(connection, &table, "true"), 1, "{table}");
        }
        Ok(())
    });
    read.await.unwrap();
    // What is done for no tenant is not restricted, on the same connection.
    let all = database.read("all", |connection| Ok(count(connection, "tasks", "true")));
    assert_eq!(all.await.unwrap(), 2);
}

#[tokio::test]
async fn a_statement_sees_the_tenants_that_it_brings_along_and_one_that_brings_none_sees_nothing() {
    let (_cluster, database) = start().await;
    let find = |scope: Vec<TenantId>, asked: i64| {
        database.read_scoped(database.scope(scope), "find", move |connection| {
            let mut wanted = Wanted::default();
            wanted.add(tenant(asked), CaseId::new(1).unwrap(), &[1]);
            let found = wanted.find(connection)?.remove(0).remove(0);
            // The scope of a statement ends with it.
            for table in readable_tables(connection.connection) {
                assert_eq!(count(connection.connection, &table, "true"), 0, "{table}");
            }
            Ok(found)
        })
    };
    for (scope, asked, is_found) in [
        (vec![tenant(1)], 1, true),
        (vec![tenant(2), tenant(1)], 2, true),
        (vec![tenant(1)], 2, false),
        (vec![tenant(3)], 2, false),
        (vec![], 2, false),
    ] {
        let (case_exists, task) = find(scope.clone(), asked).await.unwrap();
        let task = task.unwrap();
        assert_eq!((case_exists, task.is_some()), (is_found, is_found), "{scope:?} {asked}");
        assert_eq!(task.map(|task| task.assignees.len()), is_found.then_some(1));
    }
}

/// As a role of a backup has it, so that a dump fails rather than lacks rows.
#[tokio::test]
async fn a_default_that_policies_are_not_applied_has_no_effect() {
    let (cluster, _) = start().await;
    let mut administrator = PgConnection::establish(&cluster.url("scoped")).unwrap();
    let default = "ALTER DATABASE scoped SET row_security = off";
    administrator.batch_execute(default).unwrap();
    let url = service_url(&cluster);
    for database in
        [Database::open(&url, &SETTINGS), Database::open_with_row_level_security(&url, &SETTINGS)]
    {
        let reader = TaskReader::new(&database, false);
        let task = reader.get_task(tenant(1), TaskKey::parse(1, 1).unwrap()).await;
        assert_eq!(task.unwrap().description.as_str(), "a");
        let all = database.read("all", |connection| Ok(count(connection, "tasks", "true")));
        assert_eq!(all.await.unwrap(), 2);
    }
}

#[tokio::test]
async fn calls_of_several_tenants_share_a_statement_and_each_gets_its_own() {
    let (_cluster, database) = start().await;
    let reader = TaskReader::new(&database, false);
    let key = || TaskKey::parse(1, 1).unwrap();
    let (one, two) =
        tokio::join!(reader.get_task(tenant(1), key()), reader.get_task(tenant(2), key()));
    assert_eq!(one.unwrap().description.as_str(), "a");
    assert_eq!(two.unwrap().description.as_str(), "b");
    assert!(reader.get_task(tenant(3), key()).await.is_err());
}

#[tokio::test]
async fn a_change_for_one_tenant_reaches_no_row_of_another() {
    let (_cluster, database) = start().await;
    for lane in [Lane::Directory, Lane::Changes] {
        let change = database.write_for(tenant(1), lane, "forgetful", |connection, _| {
            let renamed =
                diesel::update(users::table).set(users::first_name.eq("x")).execute(connection)?;
            let done =
                diesel::update(tasks::table).set(tasks::completed.eq(true)).execute(connection)?;
            let others = sql_query("DELETE FROM task_assignees WHERE tenant_id = 2");
            Ok((renamed, done, others.execute(connection)?))
        });
        assert_eq!(change.await.unwrap(), (1, 1, 0));
    }
    let insert = database.write_for(tenant(1), Lane::Directory, "wrong", |connection, _| {
        let insert = "INSERT INTO cases (tenant_id, id, name) VALUES (2, 9, 'x')";
        sql_query(insert).execute(connection).map_err(Error::from)
    });
    let refused = format!("{:?}", insert.await.unwrap_err());
    assert!(refused.contains("violates row-level security policy"), "{refused}");
}
