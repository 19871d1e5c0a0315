//! How Postgres runs the statements of this directory on a database of a million tasks.

use super::{delete, event_sweep, events, get, list, update};
use crate::{
    explainer::Explainer,
    sweep::{Expiry, Order, Tenants},
    write_path::idempotency,
};

/// One tenant with 1,000,000 tasks: 100,000 in its first case, and 1,000 in each of 900 others. Each
/// of its 200 users has 5,000 of them, and every tenth task is completed. Batches of 25 tasks have created
/// them; the first task was changed 50,000 times since, and 5,000 others ten times each. Two more
/// tenants have 200,000 events each, written in turn, of which the first 300 of one are two days old. Of the
/// idempotency keys of two tenants, 100,000 each, half of one are.
const DATA: &str = "
    SET session_replication_role = replica;
    INSERT INTO tenants (id, name) VALUES (1, 'a');
    INSERT INTO api_keys (tenant_id, name, digest, scopes)
        SELECT n, 'a', sha256(n::text::bytea), '{admin}' FROM generate_series(1, 3) AS n;
    INSERT INTO users (tenant_id, id, email, first_name, last_name)
        SELECT 1, n, 'user' || n || '@example.com', 'a', 'b' FROM generate_series(1, 200) AS n;
    INSERT INTO cases (tenant_id, id, name) SELECT 1, n, 'a' FROM generate_series(1, 901) AS n;
    INSERT INTO tasks
            (tenant_id, id, case_id, description, completed, updated_at, created_by, updated_by,
            creation_event_id)
        SELECT
            1, n, CASE WHEN n <= 100000 THEN 1 ELSE 2 + n % 900 END, 'a task', n % 10 = 0, now(), 1,
            1, 1 + (n - 1) / 25
        FROM generate_series(1, 1000000) AS n;
    INSERT INTO creation_events
            (id, tenant_id, case_id, task_ids, user_ends, user_ids, api_key_id, request_id, created_at)
        SELECT
            b, 1, 1, array_agg(25 * b - 25 + n), array_agg(n), array_agg(n), 1, 'a request',
            CASE WHEN b <= 300 THEN now() - interval '2 days' ELSE now() END
        FROM generate_series(1, 40000) AS b, generate_series(1, 25) AS n
        GROUP BY b
        ORDER BY b;
    INSERT INTO task_events (tenant_id, id, kind, case_id, task_id, api_key_id, request_id)
        SELECT 1, 40000 + n, 'completed', 1, 1, 1, 'a request' FROM generate_series(1, 50000) AS n;
    INSERT INTO task_events (tenant_id, id, kind, case_id, task_id, api_key_id, request_id)
        SELECT 1, 90000 + n, 'completed', 1, 2 + n % 5000, 1, 'a request'
        FROM generate_series(1, 50000) AS n;
    INSERT INTO task_assignees (tenant_id, task_id, user_id, position)
        SELECT 1, n, 1 + n % 200, 0 FROM generate_series(1, 1000000) AS n;
    INSERT INTO task_events
            (tenant_id, id, kind, case_id, task_id, api_key_id, request_id, created_at)
        SELECT
            2 + n % 2, 140000 + n, 'completed', 1, n, 1, 'a request',
            CASE WHEN n <= 600 AND n % 2 = 0 THEN now() - interval '2 days' ELSE now() END
        FROM generate_series(1, 400000) AS n;
    SELECT setval('task_events_id_seq', 540000);
    INSERT INTO idempotency_keys (tenant_id, key, operation, fingerprint, created_at)
        SELECT
            1 + n % 2, md5(n::text), 'create_task', sha256(''),
            CASE WHEN n <= 100000 AND n % 2 = 1 THEN now() - interval '2 days' ELSE now() END
        FROM generate_series(1, 200000) AS n;
    VACUUM ANALYZE";

/// One tenant that has 300,000 tasks, almost all of them in one of its two cases, and all of them those of
/// one of its 100,000 users. A second user has three of them, too.
const LARGE_CASE: &str = "
    SET session_replication_role = replica;
    INSERT INTO tenants (id, name) VALUES (1, 'a');
    INSERT INTO users (tenant_id, id, email, first_name, last_name)
        SELECT 1, n, 'user' || n || '@example.com', 'a', 'b' FROM generate_series(1, 100000) AS n;
    INSERT INTO cases (tenant_id, id, name) VALUES (1, 1, 'a'), (1, 2, 'a');
    INSERT INTO tasks (tenant_id, id, case_id, description)
        SELECT 1, n, CASE WHEN n % 1000 = 0 THEN 2 ELSE 1 END, 'a task' FROM generate_series(1, 300000) AS n;
    INSERT INTO task_assignees (tenant_id, task_id, user_id, position)
        SELECT 1, n, 1, 0 FROM generate_series(1, 300000) AS n;
    INSERT INTO task_assignees (tenant_id, task_id, user_id, position)
        SELECT 1, n, 2, 1 FROM generate_series(1, 3) AS n;
    VACUUM ANALYZE";

/// The index of a case's tasks, and that of a user's assignments.
const OF_CASE: &str = "tasks_case_idx";
const OF_USER: &str = "task_assignees_user_key";
const OF_TASK: &str = "tasks_pkey";

/// The index of a task's events.
const OF_EVENTS: &str = "task_events_task_idx";

#[tokio::test]
async fn every_statement_uses_its_indexes_on_a_million_tasks() {
    let mut explainer = Explainer::start(DATA).await;
    assert_uses_indexes(&mut explainer, ["1", "2"]);

    // The last page of a case of 100,000 tasks, one in the middle, and one past the end, beside the
    // first.
    let null = "null";
    let mut page = |skip: &str| {
        let parameters = ["1", "1", null, null, null, "0", skip, "21", "true"];
        explainer.run::<list::ListCase>(&parameters)
    };
    let (_, first) = page("0");
    for skip in ["50000", "99977", "200000", "9223372036854775807"] {
        let (plan, pages) = page(skip);
        assert!(pages <= 3 * first, "{pages} pages instead of {first}: {plan}");
    }

    // The tenant with which it begins, the place there, and that in all others; for events the first creation, too.
    for (from, deleted, most_pages) in [
        // All that have expired are behind the first creation.
        ("-1, 0, 0, 1", 0, 50),
        ("-1, 0, 0, 9223372036854775807", 300, 3_000),
        ("2, 0, 0, 9223372036854775807", 0, 50),
        ("2, 140600, 140600, 9223372036854775807", 0, 50),
    ] {
        assert_sweeps(&mut explainer, &event_sweep::EXPIRY, from, (deleted, most_pages));
    }
    for (from, deleted, most_pages) in
        [("0, 0, 0", 300, 3_000), ("0, 0, 0", 0, 50), ("0, 301, 0", 0, 50)]
    {
        assert_sweeps(&mut explainer, &event_sweep::CREATION_EXPIRY, from, (deleted, most_pages));
    }
    let start = "-1, '-infinity', '-infinity'";
    for (from, deleted, most_pages) in
        [(start, 1000, 10_000), ("2, now() - interval '1 day', '-infinity'", 0, 50)]
    {
        assert_sweeps(&mut explainer, &idempotency::EXPIRY, from, (deleted, most_pages));
    }

    explainer.restrict();
    assert_uses_indexes(&mut explainer, ["3", "4"]);
}

/// Checks the plans of all statements of callers. Updates and deletes these two tasks of the first case.
#[track_caller]
fn assert_uses_indexes(explainer: &mut Explainer, changed: [&'static str; 2]) {
    explainer.assert_uses::<get::Get>(OF_TASK, &["'{1}'", "'{7}'", "'{100005}'"], 30);
    let ids: Vec<_> = (1..=64).map(|n| (1500 * n).to_string()).collect();
    let [ids, ones] = [ids.join(","), ["1"; 64].join(",")].map(|list| format!("'{{{list}}}'"));
    explainer.assert_uses::<get::Get>(OF_TASK, &[&ones, &ones, &ids], 64 * 15);

    // From here on: tenant, case, user, completed, changed after; task, skip, limit, count.
    let (user, null) = ("'user7@example.com'", "null");
    let page = |filter: [&'static str; 5], after: &'static str, count: &'static str| {
        [&filter[..], &[after, "0", "21", count]].concat()
    };
    let all = ["1", "1", null, null, null];
    explainer.assert_uses::<list::ListCase>(OF_CASE, &page(all, "0", "false"), 400);
    explainer.assert_uses::<list::ListCase>(OF_CASE, &page(all, "99000", "false"), 400);
    for (filter, most_pages) in [
        (["1", "1", null, "false", null], 400),
        (["1", "1", null, "true", null], 400),
        (["1", "7", null, null, "now()"], 2_000),
    ] {
        let parameters = page(filter, "0", "false");
        explainer.assert_uses::<list::ListCaseFiltered>(OF_CASE, &parameters, most_pages);
    }
    let all = ["1", null, user, null, null];
    for (after, count) in [("0", "false"), ("500000", "false"), ("0", "true")] {
        let parameters = page(all, after, count);
        explainer.assert_uses::<list::ListAssignee>(OF_USER, &parameters, 600);
    }
    for skip in ["2490", "4979", "9223372036854775807"] {
        let parameters = [&all[..], &["0", skip, "21", "true"]].concat();
        explainer.assert_uses::<list::ListAssignee>(OF_USER, &parameters, 600);
    }
    for filter in [["1", null, user, "false", null], ["1", "1", user, null, null]] {
        let parameters = page(filter, "0", "false");
        explainer.assert_uses::<list::ListAssigneeFiltered>(OF_USER, &parameters, 600);
    }
    // To count, or to find few in a small case, the user's 5,000 tasks are read, and no other ones.
    for filter in [["1", null, user, "false", null], ["1", "7", user, null, null]] {
        let parameters = page(filter, "0", "true");
        explainer.assert_uses::<list::ListAssigneeFiltered>(OF_USER, &parameters, 60_000);
    }

    // Tenant, case, task; event, skip, limit, count. To count, the index of the task's events is read.
    let events = |task: &'static str, after: &'static str, count: &'static str| {
        ["1", "1", task, after, "0", "21", count]
    };
    for (parameters, most_pages) in [
        (events("1", "0", "false"), 200),
        (events("1", "80000", "false"), 200),
        (events("7", "0", "true"), 200),
        (events("500000", "0", "true"), 30),
        (events("1", "0", "true"), 600),
    ] {
        explainer.assert_uses::<events::ListEvents>(OF_EVENTS, &parameters, most_pages);
    }

    let changed = format!("'{{{}}}'", changed.join(","));
    let update = [
        "1",
        "1",
        &changed,
        "'{b,null}'",
        "'{null,true}'",
        "'{true,false}'",
        "'{}'",
        "'{}'",
        "'{1,1}'",
        "'{0,1}'",
        "'{user1@example.com,user2@example.com}'",
        "false",
        "1",
        "'a-request'",
    ];
    explainer.assert_uses::<update::Update>(OF_TASK, &update, 200);
    explainer.assert_uses::<update::UpdateTrial>(OF_TASK, &update, 100);
    explainer.assert_uses::<delete::Delete>(
        OF_TASK,
        &["1", "1", &changed, "null", "1", "'a-request'"],
        200,
    );
}

/// Checks that a sweep of what is older than a day deletes so many rows by their places, and reads neither all of a
/// tenant nor more pages than these.
#[track_caller]
fn assert_sweeps(
    explainer: &mut Explainer,
    expiry: &Expiry,
    from: &str,
    (deleted, most_pages): (u32, u64),
) {
    let place = match expiry.order {
        Order::Time => "timestamptz",
        Order::Id | Order::IdOfAll => "bigint",
    };
    let barrier = if expiry.after.is_some() { ", bigint" } else { "" };
    for (tenants, end) in [(Tenants::WithKeys, "ROLLBACK"), (Tenants::All, "COMMIT")] {
        let statement = expiry.deletion(tenants, 1000);
        let prepare = format!(
            "PREPARE x(double precision, bigint, {place}, {place}{barrier}) AS {statement}"
        );
        explainer.execute("BEGIN");
        let (plan, pages) = explainer.explain(&prepare, &format!("EXECUTE x(86400, {from})"));
        explainer.execute(end);
        let scan =
            plan.lines().find(|line| line.contains(&format!("Tid Scan on {}", expiry.table)));
        let scan = scan.unwrap_or_else(|| panic!("rows are not deleted by their places: {plan}"));
        // What the planner expected comes before.
        let (_, actual) = scan.split_once("(actual ").expect("actual figures");
        assert!(
            actual.contains(&format!("rows={deleted} "))
                || actual.contains(&format!("rows={deleted}.00 ")),
            "{deleted}: {plan}"
        );
        for other in ["Bitmap", "Hash", "Sort"] {
            assert!(!plan.contains(other), "{plan}");
        }
        assert!(pages <= most_pages, "{pages} pages are read: {plan}");
    }
}

#[tokio::test]
async fn a_page_of_a_large_case_reads_no_more_than_the_page() {
    let mut explainer = Explainer::start(LARGE_CASE).await;
    assert_reads_a_page(&mut explainer);
    explainer.restrict();
    assert_reads_a_page(&mut explainer);
}

#[track_caller]
fn assert_reads_a_page(explainer: &mut Explainer) {
    let (user, null) = ("'user1@example.com'", "null");
    for after in ["0", "150000", "290000"] {
        // Tenant, case, user, completed, changed after; task, skip, limit, count.
        let case = ["1", "1", null, null, null, after, "0", "51", "false"];
        explainer.assert_uses::<list::ListCase>(OF_CASE, &case, 800);
        let open = ["1", "1", null, "false", null, after, "0", "51", "false"];
        explainer.assert_uses::<list::ListCaseFiltered>(OF_CASE, &open, 800);
        let of_user = ["1", null, user, null, null, after, "0", "51", "false"];
        explainer.assert_uses::<list::ListAssignee>(OF_USER, &of_user, 1_000);
        let open = ["1", null, user, "false", null, after, "0", "51", "false"];
        explainer.assert_uses::<list::ListAssigneeFiltered>(OF_USER, &open, 1_000);
    }
    // To count the tasks of the user, the index is read; to count some of them, each is looked up.
    for skip in ["0", "150000", "299949"] {
        let of_user = ["1", null, user, null, null, "0", skip, "51", "true"];
        explainer.assert_uses::<list::ListAssignee>(OF_USER, &of_user, 4_000);
    }
    // The plan is the same for both.
    for (user, most_pages) in [(user, 300_000 * 4 + 10_000), ("'user2@example.com'", 100)] {
        let open = ["1", null, user, "false", null, "0", "0", "51", "true"];
        explainer.assert_uses::<list::ListAssigneeFiltered>(OF_USER, &open, most_pages);
    }
}
