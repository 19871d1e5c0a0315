//! Compares what was done with what the histories of the tasks say.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{audit::Verdict, history::Entry, psql::Psql, report::Report};

/// Returns a line for each event of a creation: the tenant and the case, then each task with its
/// assignees, as `Entry::Acknowledged` has them.
const CREATIONS: &str = "SELECT e.tenant_id || ' ' || e.case_id || ' ' || (
        SELECT string_agg(
            t.id || ':' || coalesce(array_to_string(
                e.user_ids[coalesce(e.user_ends[t.no - 1], 0) + 1 : t.user_end], ','
            ), ''), ' ' ORDER BY t.no
        )
        FROM unnest(e.task_ids, e.user_ends) WITH ORDINALITY AS t (id, user_end, no)
    )
    FROM creation_events AS e";

/// Returns a line for each task that was changed or deleted: its id, and its changes by its events, as
/// `chronicle::CHANGES` has them.
const CHANGES: &str = "SELECT task_id, string_agg(
        CASE kind
            WHEN 'deleted' THEN 'deleted'
            ELSE split_part(split_part(description, ' ', 1), '-', 4)
        END,
        ',' ORDER BY id
    )
    FROM task_events WHERE kind IN ('described', 'deleted') GROUP BY task_id";

/// Returns the tasks whose events do not add up to what is stored, one after the other: completed and
/// reopened in turn, and each change of the assignees from those that the one before has left; and those
/// whose events are not in the order of their times, or not of a key of the tenant. The tasks that rivals change were
/// written by SQL, and so have no event of their creation.
const WRONG: &str = "WITH created AS (
        SELECT e.tenant_id, t.id, e.id AS event_id,
            e.user_ids[coalesce(e.user_ends[t.no - 1], 0) + 1 : t.user_end] AS user_ids
        FROM creation_events AS e
        CROSS JOIN unnest(e.task_ids, e.user_ends) WITH ORDINALITY AS t (id, user_end, no)
    ),
    -- Each change of assignees, and those that the one before it has left.
    change AS (
        SELECT tenant_id, task_id, min(id) AS id, max(assignee_ids::text)::bigint[] AS after,
            coalesce(max(user_ids::text) FILTER (WHERE kind = 'unassigned'), '{}')::bigint[]
                AS lost,
            coalesce(max(user_ids::text) FILTER (WHERE kind = 'assigned'), '{}')::bigint[] AS won
        FROM task_events WHERE kind IN ('assigned', 'unassigned')
        GROUP BY tenant_id, task_id, xid
    ),
    chain AS (
        SELECT h.*, coalesce(
            lag(h.after) OVER (PARTITION BY h.tenant_id, h.task_id ORDER BY h.id),
            c.user_ids, '{}'
        ) AS before
        FROM change AS h
        LEFT JOIN created AS c ON c.tenant_id = h.tenant_id AND c.id = h.task_id
    ),
    told AS (
        SELECT c.tenant_id, c.id, c.event_id,
            coalesce((
                SELECT e.kind = 'completed' FROM task_events AS e
                WHERE e.tenant_id = c.tenant_id AND e.task_id = c.id
                    AND e.kind IN ('completed', 'reopened')
                ORDER BY e.id DESC LIMIT 1
            ), false) AS completed,
            coalesce((
                SELECT e.assignee_ids FROM task_events AS e
                WHERE e.tenant_id = c.tenant_id AND e.task_id = c.id
                    AND e.kind IN ('assigned', 'unassigned')
                ORDER BY e.id DESC LIMIT 1
            ), c.user_ids, '{}') AS user_ids
        FROM created AS c
        WHERE NOT EXISTS (
            SELECT FROM task_events AS e
            WHERE e.tenant_id = c.tenant_id AND e.task_id = c.id AND e.kind = 'deleted'
        )
    ),
    stored AS (
        SELECT t.tenant_id, t.id, t.creation_event_id AS event_id, t.completed, (
            SELECT coalesce(array_agg(a.user_id ORDER BY a.position), '{}')
            FROM task_assignees AS a WHERE a.tenant_id = t.tenant_id AND a.task_id = t.id
        ) AS user_ids
        FROM tasks AS t
        WHERE t.description NOT LIKE 'chaos-99-%'
    )
    (TABLE told EXCEPT TABLE stored) UNION (TABLE stored EXCEPT TABLE told)
    UNION SELECT tenant_id, task_id, NULL, NULL, NULL FROM task_events
        GROUP BY tenant_id, task_id
        HAVING task_id IS NOT NULL
            AND array_agg(id ORDER BY created_at, id) <> array_agg(id ORDER BY id)
    -- Completed and reopened in turn.
    UNION SELECT tenant_id, task_id, id, NULL, NULL FROM (
            SELECT *, lag(kind, 1, 'reopened') OVER (PARTITION BY tenant_id, task_id ORDER BY id)
                AS before
            FROM task_events WHERE kind IN ('completed', 'reopened')
        ) AS e
        WHERE kind = before
    UNION SELECT tenant_id, task_id, id, NULL, before FROM chain
        WHERE before = after OR lost && after OR won && before
            OR NOT (lost <@ before AND won <@ after AND after <@ (before || won))
            OR cardinality(before) - cardinality(lost) + cardinality(won) <> cardinality(after)
    UNION SELECT e.tenant_id, e.task_id, e.id, NULL, NULL
        FROM (
            SELECT tenant_id, task_id, id, request_id, api_key_id FROM task_events
            UNION ALL SELECT tenant_id, NULL, id, request_id, api_key_id FROM creation_events
        ) AS e
        WHERE e.request_id = '' OR NOT EXISTS (
            SELECT FROM api_keys AS k WHERE k.tenant_id = e.tenant_id AND k.id = e.api_key_id
        )";

/// The batches whose creation clients know of, those that were created with cases included, taken before
/// they are judged: the name of each, and what the database must hold of its creation.
pub(crate) struct Acknowledged(Vec<(Box<str>, Box<str>)>);

impl Acknowledged {
    pub(crate) fn of(history: &HashMap<Box<str>, Entry>) -> Self {
        let rows = history.iter();
        Self(
            rows.filter_map(|(name, entry)| Some((name.clone(), entry.acknowledged()?.into())))
                .collect(),
        )
    }
}

/// Counts what was done and has not its event, once; and events of what was not done. `made` are the
/// changes that the database itself has seen, by task.
pub(crate) fn judge(
    acknowledged: &Acknowledged,
    made: &HashMap<i64, String>,
    verdict: &mut Verdict,
    database: &Psql,
    report: &Report,
) {
    let mut found = |what: String| {
        verdict.events += 1;
        report.finding(what);
    };
    let creations = database.run(CREATIONS);
    let mut seen = HashSet::new();
    for rows in creations.lines() {
        if !seen.insert(rows) {
            found(format!("the creation of {rows} has several events"));
        }
    }
    for (name, rows) in &acknowledged.0 {
        if !seen.contains(&**rows) {
            found(format!("{name} was acknowledged and has no event: {rows}"));
        }
    }
    let changes = database.run(CHANGES);
    let told: BTreeMap<i64, &str> = changes.lines().map(of_task).collect();
    let made: BTreeMap<i64, &str> = made.iter().map(|(task, steps)| (*task, &**steps)).collect();
    for task in told.keys().chain(made.keys()).collect::<HashSet<_>>() {
        let (told, made) = (told.get(task), made.get(task));
        if told != made {
            found(format!("the task {task} has the events {told:?} instead of {made:?}"));
        }
    }
    for wrong in database.run(WRONG).lines() {
        found(format!("events do not add up to what is stored: {wrong}"));
    }
}

fn of_task(line: &str) -> (i64, &str) {
    let (task, steps) = line.split_once('|').unwrap();
    (task.parse().unwrap(), steps)
}
