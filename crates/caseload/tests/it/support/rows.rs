//! The rows of the database, to see whether a call has changed any.

use super::App;

/// The tables that servers write to by themselves, at any time: when keys were used and from where, and the audit log,
/// to which they move rows from its outbox.
const WRITTEN_BY_SERVERS: &str = "{api_keys,audit_heads,audit_entries,audit_outbox}";

/// What the outbox and the log have together, as a row is in one of them at a time. Its other columns are written in
/// another form in the log.
const AUDITED: [&str; 2] = [
    "SELECT 'audit', concat_ws('|', tenant_id, created_at, event, api_key_id, request_id, subject_id)
     FROM audit_outbox",
    "SELECT 'audit', concat_ws('|', tenant_id, created_at, event, api_key_id, request_id, subject_id)
     FROM audit_entries WHERE event NOT IN ('key.used', 'key.refused')",
];

impl App {
    /// Returns every row that is there because of a call or a command, of all tenants and tables, and what is to be in
    /// the audit log. New tables are included by themselves.
    pub(crate) fn rows(&self) -> Vec<String> {
        let tables = self.database.query(&format!(
            "SELECT format('SELECT %L, t::text FROM %I AS t', tablename, tablename) FROM pg_tables
             WHERE schemaname = 'public' AND tablename <> ALL ('{WRITTEN_BY_SERVERS}')"
        ));
        // One statement, so that a row which is being moved is seen once.
        let all = tables.lines().chain(AUDITED).collect::<Vec<_>>().join(" UNION ALL ");
        let rows = self.database.query(&format!("{all} ORDER BY 1, 2"));
        rows.lines().map(str::to_owned).collect()
    }
}
