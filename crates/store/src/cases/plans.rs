//! How Postgres runs the statements of this directory.

use super::{create, delete, list, update};
use crate::explainer::Explainer;

/// One tenant with 10,000 cases of 10 tasks each, every task with an assignee.
const DATA: &str = "
    SET session_replication_role = replica;
    INSERT INTO tenants (id, name) VALUES (1, 'a');
    INSERT INTO users (tenant_id, id, email, first_name, last_name)
        SELECT 1, n, 'user' || n || '@example.com', 'a', 'b' FROM generate_series(1, 200) AS n;
    INSERT INTO cases (tenant_id, id, name, status)
        SELECT 1, n, 'a', CASE WHEN n % 10 = 0 THEN 'CLOSED' ELSE 'OPEN' END
        FROM generate_series(1, 10000) AS n;
    INSERT INTO tasks (tenant_id, id, case_id, description)
        SELECT 1, n, 1 + n % 10000, 'a task' FROM generate_series(1, 100000) AS n;
    INSERT INTO task_assignees (tenant_id, task_id, user_id, position)
        SELECT 1, n, 1 + n % 200, 0 FROM generate_series(1, 100000) AS n;
    SELECT setval('tasks_id_seq', 100000), setval('cases_id_seq', 10000);
    SET session_replication_role = origin;
    VACUUM ANALYZE";

const OF_TENANT: &str = "cases_pkey";

#[tokio::test]
async fn every_statement_uses_its_indexes() {
    let mut explainer = Explainer::start(DATA).await;
    assert_uses_indexes(&mut explainer, ["7", "8"]);
    explainer.restrict();
    assert_uses_indexes(&mut explainer, ["17", "18"]);
}

/// Checks the plans of all statements, which update and delete these cases.
#[track_caller]
fn assert_uses_indexes(explainer: &mut Explainer, [case, other]: [&str; 2]) {
    let null = "null";
    // Each of them needs another one.
    let key = format!("'key-{case}'");
    let create = [
        "1",
        "'a'",
        "''",
        "'LOW'",
        "'OPEN'",
        null,
        "'{a,b}'",
        "'{1,1}'",
        "'{1}'",
        "'{0}'",
        "'{user1@example.com}'",
        &key,
        "'create_case'",
        "sha256('')",
        "1",
        "1",
        "'a-request'",
        "'50ms'",
        null,
    ];
    explainer.assert_uses::<create::Create>("users_email_key", &create, 200);

    // Priority, status, team; after, skip, limit, count.
    let list = |status, count| ["1", null, status, null, "5000", "0", "21", count];
    explainer.assert_uses::<list::List>(OF_TENANT, &list(null, "false"), 40);
    explainer.assert_uses::<list::List>(OF_TENANT, &list("'CLOSED'", "false"), 40);
    explainer.assert_uses::<list::List>(OF_TENANT, &list(null, "true"), 400);

    // With all cases counted, a page at the end, one in the middle, and one past the end, beside the first:
    // what counting reads is the same for each.
    let mut page = |skip: &str| {
        let (plan, pages) =
            explainer.run::<list::List>(&["1", null, null, null, "0", skip, "21", "true"]);
        (pages, plan)
    };
    let (first, _) = page("0");
    let (middle, _) = page("5000");
    for skip in ["5001", "9977", "20000", "9223372036854775807"] {
        let (pages, plan) = page(skip);
        assert!(pages <= middle.max(first) + 40, "{pages} pages instead of {first}: {plan}");
    }
    let (last, plan) = page("9977");
    assert!(last <= first + 40, "{last} pages instead of {first}: {plan}");

    let update =
        ["1", case, "'b'", null, null, "'CLOSED'", "false", null, null, "false", "1", null, "'r'"];
    explainer.assert_uses::<update::Update>(OF_TENANT, &update, 40);
    explainer.assert_uses::<update::UpdateTrial>(OF_TENANT, &update, 20);

    explainer.assert_uses::<delete::LockTasks>("tasks_case_idx", &["1", case], 60);
    let delete = ["1", case, null, "1", "'a-request'", null];
    explainer.assert_uses::<delete::Delete>("tasks_case_idx", &delete, 400);
    let delete = ["1", other, null, "1", "'a-request'", null];
    explainer.assert_uses::<delete::Delete>("task_assignees_pkey", &delete, 400);
}
