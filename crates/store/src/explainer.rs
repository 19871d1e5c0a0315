//! How Postgres runs statements.

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _, sql_query, sql_types::Text,
};
use localdb::Cluster;

use crate::{
    connections::{pool::PoolSettings, session::PLANS, url::DatabaseUrl},
    database::Database,
    row_level_security,
    scope::ROLE,
    sql::Statement,
};

const DATABASE: &str = "plans";

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    text: String,
}

/// A connection to the database, with the settings of the service's sessions.
pub(crate) struct Explainer {
    connection: PgConnection,
    is_restricted: bool,
    cluster: Cluster,
}

impl Explainer {
    /// Starts a Postgres with these data, which several statements write.
    pub(crate) async fn start(data: &str) -> Self {
        let cluster = Cluster::temporary().setting("autovacuum", "off").start().unwrap();
        cluster.create_database(DATABASE, None).unwrap();
        let url = cluster.url(DATABASE);
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
        let mut connection = PgConnection::establish(&url).unwrap();
        // VACUUM marks no row as visible to all whose commit may not be on disk yet.
        connection.batch_execute("SET synchronous_commit = on").unwrap();
        // VACUUM does not run in the transaction that several statements at once are.
        for statement in data.split(';') {
            connection.batch_execute(statement).unwrap();
        }
        connection.batch_execute(PLANS).unwrap();
        Self { connection, is_restricted: false, cluster }
    }

    /// Has all further statements run as the role that row-level security restricts to the tenant 1.
    pub(crate) fn restrict(&mut self) {
        row_level_security::set_up(&self.cluster, DATABASE);
        // Statements before have left dead rows, which would be read.
        self.connection.batch_execute("VACUUM").unwrap();
        self.is_restricted = true;
        let scope = format!("SET ROLE {ROLE}; SET caseload.tenants = '{{1}}'");
        self.connection.batch_execute(&scope).unwrap();
    }

    /// Runs a statement with these parameters, and returns its plan and how many pages it touched.
    pub(crate) fn run<S: Statement>(&mut self, parameters: &[&str]) -> (String, u64) {
        let [prepare, execute] = S::text().prepared("x", parameters);
        self.explain(&prepare, &execute)
    }

    /// Runs a statement.
    pub(crate) fn execute(&mut self, statement: &str) {
        self.connection.batch_execute(statement).unwrap();
    }

    /// Prepares and runs a statement, and returns its plan and how many pages it touched.
    pub(crate) fn explain(&mut self, prepare: &str, execute: &str) -> (String, u64) {
        self.connection.batch_execute("DEALLOCATE ALL").unwrap();
        self.connection.batch_execute(prepare).unwrap();
        let explain = format!("EXPLAIN (ANALYZE, BUFFERS) {execute}");
        let lines = sql_query(explain).load::<Line>(&mut self.connection).unwrap();
        let plan: Vec<_> = lines.into_iter().map(|line| line.text).collect();
        let plan = plan.join("\n");
        assert!(!plan.contains("Seq Scan on"), "a whole table is read: {plan}");
        assert!(!plan.contains("JIT:"), "machine code is generated: {plan}");
        let has_policy = plan.contains("tenant_id) IS NOT NULL");
        assert_eq!(has_policy, self.is_restricted, "the policy: {plan}");
        // The first node's figures include those of all others.
        let (_, buffers) = plan.split_once("Buffers: shared ").expect("buffers");
        let buffers = buffers.lines().next().unwrap().split(' ');
        let pages = buffers.filter_map(|part| part.split_once('=')).take(2);
        let pages = pages.filter(|(name, _)| matches!(*name, "hit" | "read"));
        let pages = pages.map(|(_, count)| count.parse::<u64>().unwrap()).sum();
        (plan, pages)
    }

    /// Runs a statement, and checks that it uses an index, and touches no more than so many pages.
    #[track_caller]
    pub(crate) fn assert_uses<S: Statement>(
        &mut self,
        index: &str,
        parameters: &[&str],
        most_pages: u64,
    ) {
        let (plan, pages) = self.run::<S>(parameters);
        assert!(plan.contains(&format!("using {index} on")), "no {index}: {plan}");
        assert!(pages <= most_pages, "{pages} pages are read: {plan}");
    }
}
