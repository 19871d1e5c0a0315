//! What no constraint ensures.
//!
//! What was done to tasks is kept for a time only, so an event that is missing may have expired. It has not if an
//! earlier one is kept that expires before it. Events that began at about the same time may expire in any order, so
//! the earlier one has to be a minute older.
//!
//! - Creations (`creation_events`) expire in the order of their ids, those of all tenants together.
//! - Changes and deletions (`task_events`) expire in that order in each tenant, and after all creations before them.
//! - Creations by servers from before there was `creation_events` are in `task_events`. A missing creation has been
//!   one of these, as far as is known, if the first row of the tenant there is one.

/// A rule that rows keep.
#[derive(Debug)]
pub(super) struct Check {
    /// What is so if the rule is kept.
    pub(super) name: &'static str,
    /// Selects what breaks it as the text `fault`, of the rows in `page`.
    pub(super) faults: &'static str,
}

pub(super) static TASKS: &[Check] = &[
    Check {
        name: "assignees of tasks are complete",
        faults: "\
            SELECT format('task %s of tenant %s has no assignee at some position', t.id, t.tenant_id) AS fault
            FROM page AS t
            CROSS JOIN LATERAL (
                SELECT count(*) AS count, coalesce(max(a.position) + 1, 0) AS positions
                FROM task_assignees AS a
                WHERE a.tenant_id = t.tenant_id AND a.task_id = t.id
            ) AS a
            WHERE a.count <> a.positions",
    },
    Check {
        name: "tasks have the event of their creation",
        faults: "\
            SELECT
                format(
                    'event %s of tenant %s, which created task %s, is missing or about other tasks',
                    t.creation_event_id, t.tenant_id, t.id
                ) AS fault
            FROM page AS t
            LEFT JOIN LATERAL (
                SELECT e.case_id = t.case_id AND t.id = ANY (e.task_ids) AS is_right
                FROM creation_events AS e
                WHERE e.tenant_id = t.tenant_id AND e.id = t.creation_event_id
                UNION ALL
                SELECT
                    e.kind = 'created' AND e.case_id = t.case_id AND t.id = ANY (e.task_ids) AS is_right
                FROM task_events AS e
                WHERE e.tenant_id = t.tenant_id AND e.id = t.creation_event_id
                LIMIT 1
            ) AS e ON true
            WHERE t.creation_event_id IS NOT NULL
                AND NOT coalesce(
                    e.is_right,
                    t.created_at <= interval '1 minute' + least(
                        (
                            SELECT first.created_at
                            FROM creation_events AS first
                            ORDER BY first.id
                            LIMIT 1
                        ),
                        (
                            SELECT CASE WHEN first.kind = 'created' THEN first.created_at END
                            FROM task_events AS first
                            WHERE first.tenant_id = t.tenant_id
                            ORDER BY first.id
                            LIMIT 1
                        )
                    ),
                    true
                )",
    },
    // If the event of the creation is kept, those of all changes are. Changes that a release before events
    // made, beside one that knows them, have none.
    Check {
        name: "tasks are as their events say",
        faults: "\
            SELECT
                format(
                    'task %s of tenant %s differs from its history in: %s',
                    t.id, t.tenant_id,
                    concat_ws(
                        ', ',
                        CASE WHEN t.completed <> was.completed THEN 'completed' END,
                        CASE WHEN t.description <> was.description THEN 'description' END,
                        CASE WHEN now.user_ids <> was.user_ids THEN 'assignees' END
                    )
                ) AS fault
            FROM page AS t
            CROSS JOIN LATERAL (
                SELECT e.user_ids, e.user_ends, array_position(e.task_ids, t.id) AS no
                FROM creation_events AS e
                WHERE e.tenant_id = t.tenant_id AND e.id = t.creation_event_id
                UNION ALL
                SELECT e.user_ids, e.user_ends, array_position(e.task_ids, t.id) AS no
                FROM task_events AS e
                WHERE e.tenant_id = t.tenant_id AND e.id = t.creation_event_id AND e.kind = 'created'
                LIMIT 1
            ) AS created
            CROSS JOIN LATERAL (
                SELECT coalesce(array_agg(a.user_id ORDER BY a.position), '{}') AS user_ids
                FROM task_assignees AS a
                WHERE a.tenant_id = t.tenant_id AND a.task_id = t.id
            ) AS now
            CROSS JOIN LATERAL (
                SELECT
                    coalesce(
                        (
                            SELECT e.kind = 'completed'
                            FROM task_events AS e
                            WHERE e.tenant_id = t.tenant_id AND e.task_id = t.id
                                AND e.kind IN ('completed', 'reopened')
                            ORDER BY e.id DESC
                            LIMIT 1
                        ),
                        false
                    ) AS completed,
                    coalesce(
                        (
                            SELECT e.description
                            FROM task_events AS e
                            WHERE e.tenant_id = t.tenant_id AND e.task_id = t.id AND e.kind = 'described'
                            ORDER BY e.id DESC
                            LIMIT 1
                        ),
                        t.description
                    ) AS description,
                    coalesce(
                        (
                            SELECT e.assignee_ids
                            FROM task_events AS e
                            WHERE e.tenant_id = t.tenant_id AND e.task_id = t.id
                                AND e.kind IN ('assigned', 'unassigned')
                            ORDER BY e.id DESC
                            LIMIT 1
                        ),
                        created.user_ids[
                            coalesce(created.user_ends[created.no - 1], 0) + 1
                                : created.user_ends[created.no]
                        ],
                        '{}'
                    ) AS user_ids
            ) AS was
            WHERE created.no IS NOT NULL
                AND (t.completed, t.description, now.user_ids)
                    IS DISTINCT FROM (was.completed, was.description, was.user_ids)",
    },
    Check {
        name: "API keys that wrote tasks exist",
        faults: "\
            SELECT format('API key %s, which wrote task %s of tenant %s, is missing', k.id, t.id, t.tenant_id)
                AS fault
            FROM page AS t
            CROSS JOIN LATERAL (SELECT DISTINCT u.id FROM unnest(ARRAY[t.created_by, t.updated_by]) AS u (id)) AS k
            WHERE k.id IS NOT NULL
                AND NOT EXISTS (SELECT FROM api_keys AS a WHERE a.tenant_id = t.tenant_id AND a.id = k.id)",
    },
];

/// The tasks that events of creations list, of either table, and that are neither there nor were deleted.
const CREATED_TASKS_MISSING: &str = "\
    SELECT
        format(
            'task %s of tenant %s, which event %s created, is missing, and no event says that it was deleted',
            task.id, t.tenant_id, t.id
        ) AS fault
    FROM page AS t
    CROSS JOIN LATERAL unnest(t.task_ids) AS task (id)
    WHERE NOT EXISTS (
            SELECT
            FROM tasks AS now
            WHERE now.tenant_id = t.tenant_id AND now.id = task.id AND now.creation_event_id = t.id
        )
        AND NOT EXISTS (
            SELECT
            FROM task_events AS e
            WHERE e.tenant_id = t.tenant_id AND e.task_id = task.id AND e.kind = 'deleted'
        )";

/// The API keys of events, of either table, that are not there.
const API_KEYS_OF_EVENTS_MISSING: &str = "\
    SELECT format('API key %s of event %s of tenant %s is missing', t.api_key_id, t.id, t.tenant_id)
        AS fault
    FROM page AS t
    WHERE NOT EXISTS (
        SELECT FROM api_keys AS a WHERE a.tenant_id = t.tenant_id AND a.id = t.api_key_id
    )";

pub(super) static EVENTS: &[Check] = &[
    Check {
        name: "batches are complete",
        faults: CREATED_TASKS_MISSING,
    },
    Check {
        name: "events without a task are those of batches",
        faults: "\
            SELECT format('event %s of tenant %s has no task, and does not create a batch', t.id, t.tenant_id) AS fault
            FROM page AS t
            WHERE t.task_id IS NULL
                AND (
                    t.kind <> 'created'
                    OR t.task_ids IS NULL
                    OR t.user_ends IS NULL
                    OR t.assignee_ids IS NOT NULL
                    OR t.description IS NOT NULL
                )",
    },
    Check {
        name: "events of batches have the parts of all tasks",
        faults: "\
            SELECT format('event %s of tenant %s has lists of different lengths', t.id, t.tenant_id) AS fault
            FROM page AS t
            WHERE t.kind = 'created'
                AND (
                    cardinality(t.task_ids) IS DISTINCT FROM cardinality(t.user_ends)
                    OR coalesce(t.user_ends[cardinality(t.user_ends)], 0)
                        <> coalesce(cardinality(t.user_ids), 0)
                )",
    },
    Check {
        name: "tasks that were changed exist, unless they were deleted",
        faults: "\
            SELECT
                format(
                    'task %s of tenant %s, which event %s is about, %s',
                    t.task_id, t.tenant_id, t.id,
                    CASE WHEN t.kind = 'deleted' THEN 'was deleted, and is still there' ELSE 'is missing' END
                ) AS fault
            FROM page AS t
            WHERE t.task_id IS NOT NULL
                AND EXISTS (SELECT FROM tasks AS now WHERE now.tenant_id = t.tenant_id AND now.id = t.task_id)
                    = (t.kind = 'deleted')
                AND (
                    t.kind = 'deleted'
                    OR NOT EXISTS (
                        SELECT
                        FROM task_events AS e
                        WHERE e.tenant_id = t.tenant_id AND e.task_id = t.task_id AND e.id > t.id
                            AND e.kind = 'deleted'
                    )
                )",
    },
    Check {
        name: "API keys that are in events exist",
        faults: API_KEYS_OF_EVENTS_MISSING,
    },
];

pub(super) static CREATIONS: &[Check] = &[
    Check {
        name: "creations are complete",
        faults: CREATED_TASKS_MISSING,
    },
    Check {
        name: "creations have the parts of all tasks",
        faults: "\
            SELECT format('event %s of tenant %s has lists of different lengths', t.id, t.tenant_id) AS fault
            FROM page AS t
            WHERE cardinality(t.task_ids) <> cardinality(t.user_ends)
                OR coalesce(t.user_ends[cardinality(t.user_ends)], 0) <> coalesce(cardinality(t.user_ids), 0)",
    },
    Check {
        name: "API keys that are in creations exist",
        faults: API_KEYS_OF_EVENTS_MISSING,
    },
];

pub(super) static IDEMPOTENCY_KEYS: &[Check] = &[
    Check {
        name: "tasks of idempotency keys exist, unless they were deleted",
        faults: "\
            SELECT
                format(
                    'task %s of tenant %s, which was created with an idempotency key at %s, is missing, and no event '
                        'says that it was deleted',
                    task.id, t.tenant_id, t.created_at
                ) AS fault
            FROM page AS t
            CROSS JOIN LATERAL unnest(t.task_ids) AS task (id)
            WHERE NOT EXISTS (
                    SELECT FROM tasks AS now WHERE now.tenant_id = t.tenant_id AND now.id = task.id
                )
                AND NOT EXISTS (
                    SELECT
                    FROM task_events AS e
                    WHERE e.tenant_id = t.tenant_id AND e.task_id = task.id AND e.kind = 'deleted'
                )
                AND t.created_at > interval '1 minute' + least(
                    (
                        SELECT first.created_at
                        FROM task_events AS first
                        WHERE first.tenant_id = t.tenant_id
                        ORDER BY first.id
                        LIMIT 1
                    ),
                    (
                        SELECT first.created_at
                        FROM creation_events AS first
                        ORDER BY first.id
                        LIMIT 1
                    )
                )",
    },
    Check {
        name: "idempotency keys have the parts of all assignments",
        faults: "\
            SELECT
                format('an idempotency key of tenant %s, of %s, has lists of different lengths', t.tenant_id, t.created_at)
                    AS fault
            FROM page AS t
            WHERE cardinality(t.user_ids) <> cardinality(t.first_names)
                OR cardinality(t.user_ids) <> cardinality(t.last_names)",
    },
    Check {
        name: "names of erased users are gone from idempotency keys",
        faults: "\
            SELECT
                format('an idempotency key of tenant %s, of %s, has the name of user %s, who was erased', t.tenant_id,
                    t.created_at, a.user_id) AS fault
            FROM page AS t
            CROSS JOIN LATERAL unnest(t.user_ids, t.first_names, t.last_names)
                AS a (user_id, first_name, last_name)
            WHERE concat(a.first_name, a.last_name) <> ''
                AND EXISTS (
                    SELECT
                    FROM users AS u
                    WHERE u.tenant_id = t.tenant_id AND u.id = a.user_id AND u.scrubbed_at IS NOT NULL
                )",
    },
];
