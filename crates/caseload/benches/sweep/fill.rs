//! The rows that have expired.

use crate::work::{CASES, TENANTS, USERS};

/// Returns the statements that create users and cases.
pub(crate) fn directory() -> String {
    format!(
        "INSERT INTO users (tenant_id, email, first_name, last_name)
         SELECT tenant, 'user' || n || '@example.com', 'First' || n, 'Last' || n
         FROM generate_series(1, {TENANTS}) AS tenant, generate_series(1, {USERS}) AS n;
         INSERT INTO cases (tenant_id, id, name)
         SELECT tenant, (tenant - 1) * {CASES} + n, 'Case ' || n
         FROM generate_series(1, {TENANTS}) AS tenant, generate_series(1, {CASES}) AS n"
    )
}

/// Returns for each table the statement that fills it with rows as sample batches leave them. They come in the order
/// of time, over a day that ended two days ago, of all tenants in turn.
pub(crate) fn expired(rows: u64) -> [String; 2] {
    let time = format!(
        "now() - interval '3 days' + n * (interval '1 day' / {rows}), ARRAY[3 * n, 3 * n + 1, 3 * n + 2]"
    );
    let source = format!("generate_series(1, {rows}) AS n");
    [
        format!(
            "INSERT INTO idempotency_keys
                 (tenant_id, key, operation, fingerprint, created_at, task_ids, user_ids, first_names,
                 last_names)
             SELECT
                 1 + n % {TENANTS}, md5(n::text), 'batch_create_tasks', sha256(n::text::bytea), {time},
                 ARRAY[n % 1000, 17, 18], ARRAY['First' || n % 1000, 'First17', 'First18'],
                 ARRAY['Last' || n % 1000, 'Last17', 'Last18']
             FROM {source}"
        ),
        format!(
            "INSERT INTO creation_events
                 (tenant_id, id, case_id, api_key_id, request_id, user_ends, user_ids, created_at, task_ids)
             SELECT
                 1 + n % {TENANTS}, n, 1 + n % {CASES}, 1, gen_random_uuid()::text, '{{1,1,3}}',
                 ARRAY[n % 1000, 17, 18], {time}
             FROM {source};
             SELECT setval('task_events_id_seq', {rows})"
        ),
    ]
}
