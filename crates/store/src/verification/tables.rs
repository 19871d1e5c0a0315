//! The tables, and how they are read page by page.

use super::checks::{CREATIONS, Check, EVENTS, IDEMPOTENCY_KEYS, TASKS};

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The columns of its primary key, and their types.
    pub(super) key: &'static [(&'static str, &'static str)],
    /// The sequence from which the column `id` has its values.
    pub(super) sequence: Option<&'static str>,
    /// What no constraint ensures.
    pub(super) checks: &'static [Check],
}

const TENANT: (&str, &str) = ("tenant_id", "bigint");
const ID: (&str, &str) = ("id", "bigint");

/// All events have ids from one sequence.
const EVENTS_SEQUENCE: &str = "task_events_id_seq";

/// All tables. A test compares them with those of the database.
pub(super) static TABLES: &[Table] = &[
    Table { name: "tenants", key: &[ID], sequence: Some("tenants_id_seq"), checks: &[] },
    Table { name: "tenant_hosts", key: &[("host", "text")], sequence: None, checks: &[] },
    Table { name: "api_keys", key: &[TENANT, ID], sequence: Some("api_keys_id_seq"), checks: &[] },
    Table { name: "users", key: &[TENANT, ID], sequence: Some("users_id_seq"), checks: &[] },
    Table { name: "cases", key: &[TENANT, ID], sequence: Some("cases_id_seq"), checks: &[] },
    Table { name: "tasks", key: &[TENANT, ID], sequence: Some("tasks_id_seq"), checks: TASKS },
    Table {
        name: "task_assignees",
        key: &[TENANT, ("task_id", "bigint"), ("position", "smallint")],
        sequence: None,
        checks: &[],
    },
    Table {
        name: "task_events",
        key: &[TENANT, ID],
        sequence: Some(EVENTS_SEQUENCE),
        checks: EVENTS,
    },
    Table {
        name: "creation_events",
        key: &[ID, TENANT],
        sequence: Some(EVENTS_SEQUENCE),
        checks: CREATIONS,
    },
    Table {
        name: "idempotency_keys",
        key: &[TENANT, ("key", "text")],
        sequence: None,
        checks: IDEMPOTENCY_KEYS,
    },
    Table { name: "audit_heads", key: &[TENANT], sequence: None, checks: &[] },
    Table {
        name: "audit_entries",
        key: &[TENANT, ("number", "bigint")],
        sequence: None,
        checks: &[],
    },
    Table {
        name: "audit_outbox",
        key: &[TENANT, ID],
        sequence: Some("audit_outbox_id_seq"),
        checks: &[],
    },
];

impl Table {
    /// Returns the columns of the primary key of the row `t`.
    pub(super) fn key_columns(&self) -> String {
        self.key.iter().map(|(column, _)| format!("t.{column}")).collect::<Vec<_>>().join(", ")
    }

    /// Returns the values of a primary key that is passed as an array of texts.
    pub(super) fn key_values(&self, parameter: &str) -> String {
        let values = self.key.iter().enumerate().map(|(index, (_, kind))| {
            // Keys are compared as they are stored.
            let collation = if *kind == "text" { " COLLATE \"C\"" } else { "" };
            format!("(({parameter}::text[])[{}])::{kind}{collation}", index + 1)
        });
        values.collect::<Vec<_>>().join(", ")
    }

    /// Returns a key that comes before that of every row.
    pub(super) fn before_all(&self) -> Vec<String> {
        let least = |kind: &str| match kind {
            "text" => String::new(),
            "smallint" => i16::MIN.to_string(),
            _ => i64::MIN.to_string(),
        };
        self.key.iter().map(|(_, kind)| least(kind)).collect()
    }
}
