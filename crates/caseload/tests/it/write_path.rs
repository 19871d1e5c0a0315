//! The store's write path: the queue, and statements that batches of several callers share.

mod idempotency;
mod locks;
mod queue;
mod random_batches;

use domain::{Error, Reason, TaskBatch};
use store::WriterSettings;

use crate::support::{
    App, ONE_TASK, Reply, Session,
    polling::wait_until,
    psql,
    write_path::{
        ONE_WRITER, POISON, Tenant, WritePath, batch, descriptions, draft, last_task_id, outcomes,
        submit,
    },
};

#[tokio::test]
async fn batches_that_wait_together_are_written_in_one_statement() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let [a, b, c] = path.tenants;

    let first = path.block_writer(&writer);
    let batches = [(a, "1"), (b, "2"), (c, "3"), (a, "4")]
        .map(|(tenant, text)| submit(&writer, tenant, batch(tenant, &[text])).unwrap());
    path.unblock_writer();

    let first = last_task_id(&first.await);
    let mut created_at = Vec::new();
    for batch in batches {
        created_at.push(batch.await.unwrap().tasks[0].created_at);
    }
    assert_eq!(path.transactions_since(first), 1);
    created_at.dedup();
    assert_eq!(created_at.len(), 1, "{created_at:?}");
}

#[tokio::test]
async fn a_statement_has_at_most_the_configured_number_of_batches() {
    let mut path = WritePath::create().await;
    let writer = path.writer(WriterSettings { batches_per_statement: 2, ..ONE_WRITER });
    let [a, b, c] = path.tenants;

    let first = path.block_writer(&writer);
    let batches =
        [a, b, c, a, b].map(|tenant| submit(&writer, tenant, batch(tenant, &["x"])).unwrap());
    path.unblock_writer();

    let first = last_task_id(&first.await);
    for batch in batches {
        batch.await.unwrap();
    }
    assert_eq!(path.transactions_since(first), 3);
}

#[tokio::test]
async fn a_statement_has_batches_of_one_tenant_only_where_configured() {
    let mut path = WritePath::create().await;
    let writer = path.writer(WriterSettings { one_tenant_per_statement: true, ..ONE_WRITER });
    let [a, b, _] = path.tenants;

    let first = path.block_writer(&writer);
    let batches =
        [a, b, a, b].map(|tenant| submit(&writer, tenant, batch(tenant, &["x"])).unwrap());
    path.unblock_writer();

    let first = last_task_id(&first.await);
    for batch in batches {
        batch.await.unwrap();
    }
    let tenants_of_transactions = path.session.query(&format!(
        "SELECT count(DISTINCT tenant_id), count(*) FROM tasks WHERE id > {first} \
         GROUP BY xmin::text"
    ));
    assert_eq!(tenants_of_transactions, "1|2\n1|2");
}

#[tokio::test]
async fn an_invalid_batch_does_not_affect_others_in_its_statement() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let [a, b, c] = path.tenants;
    let unknown_user = [draft("x", &["nobody@example.com"]), draft("y", &["user1@example.com"])];
    let unknown_user =
        TaskBatch::parse(b.case_id, unknown_user.into_iter(), String::new()).unwrap();
    let unknown_case =
        TaskBatch::parse(i64::MAX, [draft("x", &[])].into_iter(), String::new()).unwrap();

    let first = path.block_writer(&writer);
    let batches = [
        submit(&writer, a, batch(a, &["before"])).unwrap(),
        submit(&writer, b, unknown_user).unwrap(),
        submit(&writer, c, unknown_case).unwrap(),
        submit(&writer, c, batch(c, &["after"])).unwrap(),
    ];
    path.unblock_writer();

    let first = last_task_id(&first.await);
    let [before, unknown_user, unknown_case, after] = outcomes(batches).await;
    assert_eq!(descriptions(&before), ["before"]);
    assert!(
        matches!(&unknown_user, Err(Error::Invalid(violations))
            if violations.as_slice().len() == 1 && violations.as_slice()[0].rule.reason == Reason::UnknownUser),
        "{unknown_user:?}"
    );
    assert!(matches!(unknown_case, Err(Error::NotFound(_))), "{unknown_case:?}");
    assert_eq!(descriptions(&after), ["after"]);
    assert_eq!(path.transactions_since(first), 1, "they shared a statement");
    assert_eq!(
        path.database.query("SELECT string_agg(description, ' ' ORDER BY id) FROM tasks"),
        "first before after"
    );
}

#[tokio::test]
async fn a_batch_finds_only_users_and_cases_of_its_own_tenant() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let [a, b, _] = path.tenants;
    let user_id = |tenant: Tenant| {
        let sql = format!(
            "SELECT id FROM users WHERE tenant_id = {} AND email = 'user1@example.com'",
            tenant.id
        );
        path.database.query(&sql).parse::<i64>().unwrap()
    };
    let (user_of_a, user_of_b) = (user_id(a), user_id(b));

    let first = path.block_writer(&writer);
    let batches = [
        submit(&writer, a, batch(a, &["of A"])).unwrap(),
        submit(&writer, b, batch(b, &["of B"])).unwrap(),
        submit(&writer, a, batch(b, &["A in a case of B"])).unwrap(),
    ];
    path.unblock_writer();

    first.await.unwrap();
    let [of_a, of_b, across] = outcomes(batches).await;
    assert_eq!(of_a.unwrap().tasks[0].assignees[0].id.get(), user_of_a);
    assert_eq!(of_b.unwrap().tasks[0].assignees[0].id.get(), user_of_b);
    assert!(matches!(across, Err(Error::NotFound(_))), "{across:?}");
}

#[tokio::test]
async fn after_a_failed_statement_each_batch_runs_alone_and_only_the_failing_one_fails() {
    let mut path = WritePath::create().await;
    path.session.query(POISON);
    let writer = path.writer(ONE_WRITER);
    let [a, b, c] = path.tenants;

    let first = path.block_writer(&writer);
    let batches = [(a, "1"), (b, "poison"), (c, "2"), (a, "3")]
        .map(|(tenant, text)| submit(&writer, tenant, batch(tenant, &[text])).unwrap());
    path.unblock_writer();

    let first = last_task_id(&first.await);
    let [one, failing, two, three] = outcomes(batches).await;
    assert!(matches!(failing, Err(Error::Internal(_))), "{failing:?}");
    assert_eq!(
        [one, two, three].each_ref().map(|outcome| descriptions(outcome).concat()),
        ["1", "2", "3"]
    );
    assert_eq!(path.transactions_since(first), 3);
    // The writer still works.
    let next = writer.create(b.actor(), batch(b, &["next"])).await;
    assert_eq!(descriptions(&next), ["next"]);
}

/// The lookup still finds the case and the user, but the foreign keys don't. The outcome is that of
/// a batch that comes a moment later.
#[tokio::test]
async fn a_case_or_user_deleted_during_the_statement_is_unknown_and_other_batches_are_written() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let [a, b, c] = path.tenants;
    let mut other = Session::open(path.database.url());

    let first = path.block_writer(&writer);
    let batches = [
        submit(&writer, a, batch(a, &["stays"])).unwrap(),
        submit(&writer, b, batch(b, &["its case is deleted"])).unwrap(),
        submit(&writer, c, batch(c, &["its user is deleted"])).unwrap(),
    ];
    other.query(&format!(
        "BEGIN; DELETE FROM cases WHERE tenant_id = {}; DELETE FROM users WHERE tenant_id = {}",
        b.id, c.id
    ));
    path.unblock_writer();
    first.await.unwrap();
    path.session.await_blocked(1);
    other.query("COMMIT");

    let [stays, its_case_is_deleted, its_user_is_deleted] = outcomes(batches).await;
    assert_eq!(descriptions(&stays), ["stays"]);
    assert!(matches!(its_case_is_deleted, Err(Error::NotFound(_))), "{its_case_is_deleted:?}");
    assert!(matches!(its_user_is_deleted, Err(Error::Invalid(_))), "{its_user_is_deleted:?}");
}

/// The result of a statement comes with its commit, so batches whose result can't be read may have been
/// created.
#[tokio::test]
async fn batches_whose_result_cannot_be_read_are_in_doubt_and_not_run_again() {
    let mut path = WritePath::create().await;
    // Names that are no UTF-8, as they would be if the program and the schema did not fit.
    path.session.query(
        "ALTER TABLE users DROP CONSTRAINT users_first_name_check, DROP CONSTRAINT users_erased_check; \
         ALTER TABLE users ALTER first_name TYPE bytea USING '\\xff'",
    );
    let writer = path.writer(ONE_WRITER);
    let [a, b, _] = path.tenants;
    let first = path.block_writer(&writer);
    let shared = [a, b].map(|tenant| submit(&writer, tenant, batch(tenant, &["x"])).unwrap());
    path.unblock_writer();

    let [one, two] = outcomes(shared).await;
    for outcome in [first.await, one, two] {
        assert!(matches!(outcome, Err(Error::OutcomeUnknown(_))), "{outcome:?}");
    }
    assert_eq!(path.session.query("SELECT count(*) FROM tasks"), "3");
}

/// A user whose name is null, as the program and the schema would not fit: the batch is written, but by
/// the result its user does not exist.
#[tokio::test]
async fn a_batch_that_is_written_with_a_result_that_does_not_fit_it_is_in_doubt() {
    let mut path = WritePath::create().await;
    path.session.query(
        "ALTER TABLE users ALTER first_name DROP NOT NULL; UPDATE users SET first_name = NULL",
    );
    let writer = path.writer(ONE_WRITER);
    let a = path.tenants[0];
    let outcome = writer.create(a.actor(), batch(a, &["x"])).await;
    assert!(matches!(outcome, Err(Error::OutcomeUnknown(_))), "{outcome:?}");
    assert_eq!(path.session.query("SELECT count(*) FROM tasks"), "1");
}

/// The second attempt to create a task with this description waits while somebody holds advisory lock
/// 1. It does so without waiting for a lock, which would end soon.
const SLOW: &str = "CREATE SEQUENCE attempts; \
     CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
       IF nextval('attempts') = 2 THEN \
         WHILE NOT pg_try_advisory_xact_lock(1) LOOP PERFORM pg_sleep(0.01); END LOOP; \
       END IF; \
       RETURN NEW; \
     END $$; \
     CREATE TRIGGER wait BEFORE INSERT ON tasks FOR EACH ROW \
     WHEN (NEW.description = 'slow') EXECUTE FUNCTION wait()";

/// The shared statement fails because of one batch. Its batches run one by one, and while the first
/// one is run, the caller of another one leaves.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_caller_leaves_while_a_statement_is_split_is_not_written() {
    let mut path = WritePath::create().await;
    path.session.query(POISON);
    path.session.query(SLOW);
    let writer = path.writer(ONE_WRITER);
    let a = path.tenants[0];
    let first = path.block_writer(&writer);
    let [slow, poison, gone, last] = ["slow", "poison", "gone", "last"]
        .map(|text| submit(&writer, a, batch(a, &[text])).unwrap());

    let mut holder = Session::open(path.database.url());
    holder.query("SELECT pg_advisory_lock(1)");
    path.unblock_writer();
    wait_until("the second attempt", || {
        path.session.query("SELECT last_value FROM attempts") == "2"
    });
    drop(gone);
    holder.query("SELECT pg_advisory_unlock(1)");

    first.await.unwrap();
    assert_eq!(descriptions(&slow.await), ["slow"]);
    assert!(matches!(poison.await, Err(Error::Internal(_))));
    assert_eq!(descriptions(&last.await), ["last"]);
    let written = path.session.query("SELECT string_agg(description, ' ' ORDER BY id) FROM tasks");
    assert_eq!(written, "first slow last");
}

/// The type of the statement's parameter.
const TASK_BATCH: &str =
    include_str!("../../../../migrations/2026-12-03-000000_create_task_batch/up.sql");

/// As after a restore that went on after errors.
#[tokio::test]
async fn batches_are_refused_while_the_database_lacks_the_type_of_a_batch() {
    let app = App::start().await;
    psql(app.database.url(), "DROP TYPE task_batch");
    for request in [app.post(), app.post().header("idempotency-key", "k")] {
        let reply = Reply::of(request.body(ONE_TASK)).await;
        assert_eq!(reply.status, 503, "{reply:?}");
        assert_eq!(reply.violations(), ["DATABASE_UNAVAILABLE -"]);
    }
    psql(app.database.url(), TASK_BATCH);
    assert_eq!(app.create(ONE_TASK).await.status, 201);
    assert_eq!(app.row_counts(), (1, 0));
}
