//! How Postgres runs the statements of this directory.

use super::{
    list_changed::ListChanged, scrubbing::Scrub, upsert_cases::UpsertCases,
    upsert_users::UpsertUsers,
};
use crate::explainer::Explainer;

/// One tenant with 100,000 users, as many cases, and as many records of idempotency keys. All cases were changed
/// at one time, but for the last 1,000.
const DATA: &str = "
    SET session_replication_role = replica;
    INSERT INTO tenants (id, name) VALUES (1, 'a');
    INSERT INTO users (tenant_id, id, email, first_name, last_name, external_id)
        SELECT 1, n, 'user' || n || '@example.com', 'a', 'b', 'x' || n
        FROM generate_series(1, 100000) AS n;
    INSERT INTO cases (tenant_id, id, name, external_id, updated_at)
        SELECT
            1, n, 'a', 'x' || n,
            CASE
                WHEN n <= 99000 THEN '2020-01-01'::timestamptz
                ELSE '2020-01-02'::timestamptz + n * interval '1 second'
            END
        FROM generate_series(1, 100000) AS n;
    INSERT INTO idempotency_keys (tenant_id, key, operation, fingerprint, user_ids, first_names, last_names)
        SELECT 1, 'key-' || n, 'batch_create_tasks', sha256(''), ARRAY[n], '{a}', '{b}'
        FROM generate_series(1, 100000) AS n;
    SELECT setval('users_id_seq', 100000), setval('cases_id_seq', 100000);
    SET session_replication_role = origin;
    VACUUM ANALYZE";

/// Returns an array of this text with each number from 1 to 500.
fn array(text: impl Fn(u32) -> String) -> String {
    let items: Vec<_> = (1..=500).map(|n| text(7 * n)).collect();
    format!("'{{{}}}'", items.join(","))
}

#[tokio::test]
async fn every_statement_uses_its_indexes() {
    let mut explainer = Explainer::start(DATA).await;
    assert_uses_indexes(&mut explainer, "n");
    explainer.restrict();
    assert_uses_indexes(&mut explainer, "m");
}

/// Checks the plans of all statements, which change names to this letter and a number.
#[track_caller]
fn assert_uses_indexes(explainer: &mut Explainer, letter: &str) {
    let nulls = array(|_| "null".to_owned());
    let ids = array(|n| format!("x{n}"));
    let emails = array(|n| format!("user{n}@example.com"));
    let names = array(|n| format!("{letter}{n}"));

    // For each user two look-ups, and one more of the row; then the same row is changed, if it is.
    for (names, most_pages) in [(&nulls, 500 * 12), (&names, 500 * 24)] {
        let users =
            ["1", &ids, &emails, names, &nulls, "false", "1", "1", "1", "null", "'a-request'"];
        for index in ["users_email_key", "users_external_id_key", "users_pkey"] {
            explainer.assert_uses::<UpsertUsers>(index, &users, most_pages);
        }
    }
    let cases = [
        "1",
        &ids,
        &names,
        &nulls,
        &nulls,
        &nulls,
        &nulls,
        "false",
        "1",
        "1",
        "1",
        "null",
        "'a-request'",
    ];
    explainer.assert_uses::<UpsertCases>("cases_external_id_key", &cases, 500 * 40);

    // Status, time, case, pages.
    for (status, time, case, most_pages) in [
        ("null", "'-infinity'", "9223372036854775807", 20),
        ("'OPEN'", "'-infinity'", "0", 20),
        // In the midst of those of one time.
        ("null", "'2020-01-01'", "70000", 20),
        ("null", "'2020-01-02'", "9223372036854775807", 20),
        ("null", "now()", "9223372036854775807", 10),
        // All that were changed since are read for a filter that none passes.
        ("'CLOSED'", "'2020-01-01'", "99000", 100),
    ] {
        let page = ["1", status, time, case, "101"];
        explainer.assert_uses::<ListChanged>("cases_changed_idx", &page, most_pages);
    }

    let records = ["1", "'{70000,70001}'", "'key-5'", "5000"];
    explainer.assert_uses::<Scrub>("idempotency_keys_pkey", &records, 6000);
}
