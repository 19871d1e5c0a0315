//! The write path: batches of many callers in one statement, as if each were alone.

mod idempotency;
mod random_batches;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use domain::{Error, Reason, TaskBatch};
use store::{TaskWriter, WriterSettings};

use crate::support::{
    Session,
    write_path::{Call, ONE_WRITER, Outcome, Tenant, WritePath, batch, draft, submit},
};

#[tokio::test]
async fn what_waits_together_is_written_together() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let [a, b, c] = path.tenants;

    let first = path.block(&writer);
    let calls = [(a, "1"), (b, "2"), (c, "3"), (a, "4")]
        .map(|(tenant, text)| submit(&writer, tenant, batch(tenant, &[text])).unwrap());
    path.release();

    let first = id_of(&first.await);
    let mut created_at = Vec::new();
    for call in calls {
        created_at.push(call.await.unwrap().tasks[0].created_at);
    }
    assert_eq!(path.transactions_since(first), 1);
    created_at.dedup();
    assert_eq!(created_at.len(), 1, "{created_at:?}");
}

#[tokio::test]
async fn no_more_batches_share_a_statement_than_may() {
    let mut path = WritePath::create().await;
    let writer = path.writer(WriterSettings { batches_per_statement: 2, ..ONE_WRITER });
    let [a, b, c] = path.tenants;

    let first = path.block(&writer);
    let calls =
        [a, b, c, a, b].map(|tenant| submit(&writer, tenant, batch(tenant, &["x"])).unwrap());
    path.release();

    let first = id_of(&first.await);
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(path.transactions_since(first), 3);
}

#[tokio::test]
async fn a_statement_is_one_tenants_where_that_is_asked_for() {
    let mut path = WritePath::create().await;
    let writer = path.writer(WriterSettings { one_tenant_per_statement: true, ..ONE_WRITER });
    let [a, b, _] = path.tenants;

    let first = path.block(&writer);
    let calls = [a, b, a, b].map(|tenant| submit(&writer, tenant, batch(tenant, &["x"])).unwrap());
    path.release();

    let first = id_of(&first.await);
    for call in calls {
        call.await.unwrap();
    }
    let tenants_of_transactions = path.session.query(&format!(
        "SELECT count(DISTINCT tenant_id), count(*) FROM tasks WHERE id > {first} \
         GROUP BY xmin::text"
    ));
    assert_eq!(tenants_of_transactions, "1|2\n1|2");
}

#[tokio::test]
async fn a_fault_in_one_batch_leaves_its_neighbours_untouched() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let [a, b, c] = path.tenants;
    let unknown_user = [draft("x", &["nobody@example.com"]), draft("y", &["user1@example.com"])];
    let unknown_user =
        TaskBatch::parse(b.case_id, unknown_user.into_iter(), String::new()).unwrap();
    let unknown_case =
        TaskBatch::parse(i64::MAX, [draft("x", &[])].into_iter(), String::new()).unwrap();

    let first = path.block(&writer);
    let calls = [
        submit(&writer, a, batch(a, &["before"])).unwrap(),
        submit(&writer, b, unknown_user).unwrap(),
        submit(&writer, c, unknown_case).unwrap(),
        submit(&writer, c, batch(c, &["after"])).unwrap(),
    ];
    path.release();

    let first = id_of(&first.await);
    let [before, unknown_user, unknown_case, after] = all(calls).await;
    assert_eq!(descriptions(&before), ["before"]);
    assert!(
        matches!(&unknown_user, Err(Error::Invalid(faults))
            if faults.as_slice().len() == 1 && faults.as_slice()[0].rule.reason == Reason::UnknownUser),
        "{unknown_user:?}"
    );
    assert!(matches!(unknown_case, Err(Error::NotFound(_))), "{unknown_case:?}");
    assert_eq!(descriptions(&after), ["after"]);
    assert_eq!(path.transactions_since(first), 1, "they did travel together");
    assert_eq!(
        path.database.query("SELECT string_agg(description, ' ' ORDER BY id) FROM tasks"),
        "first before after"
    );
}

#[tokio::test]
async fn a_batch_sees_the_users_and_cases_of_its_own_tenant_alone() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let [a, b, _] = path.tenants;
    let user_ids = |tenant: Tenant| {
        let sql = format!(
            "SELECT id FROM users WHERE tenant_id = {} AND email = 'user1@example.com'",
            tenant.id
        );
        path.database.query(&sql).parse::<i64>().unwrap()
    };
    let (user_of_a, user_of_b) = (user_ids(a), user_ids(b));

    let first = path.block(&writer);
    let calls = [
        submit(&writer, a, batch(a, &["of A"])).unwrap(),
        submit(&writer, b, batch(b, &["of B"])).unwrap(),
        submit(&writer, a, batch(b, &["A in a case of B"])).unwrap(),
    ];
    path.release();

    first.await.unwrap();
    let [of_a, of_b, across] = all(calls).await;
    assert_eq!(of_a.unwrap().tasks[0].assignees[0].id.get(), user_of_a);
    assert_eq!(of_b.unwrap().tasks[0].assignees[0].id.get(), user_of_b);
    assert!(matches!(across, Err(Error::NotFound(_))), "{across:?}");
}

#[tokio::test]
async fn a_statement_that_fails_is_taken_apart_and_only_the_culprit_fails() {
    let mut path = WritePath::create().await;
    path.session.query(POISON);
    let writer = path.writer(ONE_WRITER);
    let [a, b, c] = path.tenants;

    let first = path.block(&writer);
    let calls = [(a, "1"), (b, "poison"), (c, "2"), (a, "3")]
        .map(|(tenant, text)| submit(&writer, tenant, batch(tenant, &[text])).unwrap());
    path.release();

    let first = id_of(&first.await);
    let [one, culprit, two, three] = all(calls).await;
    assert!(matches!(culprit, Err(Error::Internal(_))), "{culprit:?}");
    assert_eq!(
        [one, two, three].each_ref().map(|outcome| descriptions(outcome).concat()),
        ["1", "2", "3"]
    );
    assert_eq!(path.transactions_since(first), 3);
    // The writer goes on as before.
    let next = writer.create(b.id, batch(b, &["next"])).await;
    assert_eq!(descriptions(&next), ["next"]);
}

/// The look-up finds them and the foreign key does not: the answer is the one that a batch gets
/// which comes a moment later.
#[tokio::test]
async fn what_goes_while_a_batch_is_written_is_not_there_and_others_are_written() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let [a, b, c] = path.tenants;
    let mut other = Session::open(path.database.url());

    let first = path.block(&writer);
    let calls = [
        submit(&writer, a, batch(a, &["stays"])).unwrap(),
        submit(&writer, b, batch(b, &["its case goes"])).unwrap(),
        submit(&writer, c, batch(c, &["its user goes"])).unwrap(),
    ];
    other.query(&format!(
        "BEGIN; DELETE FROM cases WHERE tenant_id = {}; DELETE FROM users WHERE tenant_id = {}",
        b.id, c.id
    ));
    path.release();
    first.await.unwrap();
    path.session.await_blocked(1);
    other.query("COMMIT");

    let [stays, its_case_goes, its_user_goes] = all(calls).await;
    assert_eq!(descriptions(&stays), ["stays"]);
    assert!(matches!(its_case_goes, Err(Error::NotFound(_))), "{its_case_goes:?}");
    assert!(matches!(its_user_goes, Err(Error::Invalid(_))), "{its_user_goes:?}");
}

#[tokio::test]
async fn a_caller_that_goes_before_its_batch_is_at_hand_withdraws_it() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let [a, b, _] = path.tenants;

    let first = path.block(&writer);
    let withdrawn = submit(&writer, a, batch(a, &["withdrawn"])).unwrap();
    let kept = submit(&writer, b, batch(b, &["kept"])).unwrap();
    drop(withdrawn);
    path.release();

    first.await.unwrap();
    kept.await.unwrap();
    assert_eq!(
        path.database.query("SELECT string_agg(description, ' ' ORDER BY id) FROM tasks"),
        "first kept"
    );
}

#[tokio::test]
async fn who_floods_the_queue_is_refused_beyond_its_share_and_others_wait_behind_no_more_than_that()
{
    let mut path = WritePath::create().await;
    let settings =
        WriterSettings { batches_per_statement: 1, queue_length_per_tenant: 3, ..ONE_WRITER };
    let writer = path.writer(settings);
    let [a, b, _] = path.tenants;

    let first = path.block(&writer);
    let (taken, refused): (Vec<_>, Vec<_>) =
        (0..10).map(|_| submit(&writer, a, batch(a, &["flood"]))).partition(Result::is_ok);
    let other = submit(&writer, b, batch(b, &["other"])).unwrap();
    path.release();

    assert_eq!(taken.len(), 3);
    for refusal in refused {
        let refusal = refusal.err().unwrap();
        assert!(matches!(refusal, Err(Error::TenantOverloaded)), "{refusal:?}");
    }
    let first = id_of(&first.await);
    // One writer, one batch a statement, ids from one sequence: ids tell who was served when.
    assert_eq!(id_of(&other.await), first + 4);
    for call in taken {
        call.unwrap().await.unwrap();
    }
}

#[tokio::test]
async fn a_full_queue_refuses_everyone_at_once_and_takes_more_once_there_is_room() {
    let mut path = WritePath::create().await;
    let settings = WriterSettings { queue_length: 4, queue_length_per_tenant: 3, ..ONE_WRITER };
    let writer = path.writer(settings);
    let [a, b, c] = path.tenants;

    let first = path.block(&writer);
    let taken = [a, a, b, b].map(|tenant| submit(&writer, tenant, batch(tenant, &["x"])).unwrap());
    for tenant in [a, b, c] {
        let refusal = submit(&writer, tenant, batch(tenant, &["x"])).err();
        assert!(matches!(refusal, Some(Err(Error::Overloaded))), "{refusal:?}");
    }
    path.release();

    first.await.unwrap();
    for outcome in all(taken).await {
        outcome.unwrap();
    }
    writer.create(c.id, batch(c, &["x"])).await.unwrap();
    assert_eq!(path.database.query("SELECT count(*) FROM tasks"), "6");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_one_tenant_floods_another_is_served_every_time() {
    let path = WritePath::create().await;
    let settings =
        WriterSettings { batches_per_statement: 4, queue_length_per_tenant: 8, ..ONE_WRITER };
    let writer = Arc::new(path.writer(settings));
    let [a, b, _] = path.tenants;
    let is_over = Arc::new(AtomicBool::new(false));
    // Twice as many callers as may wait.
    let flood: Vec<_> = (0..16)
        .map(|_| tokio::spawn(flood(Arc::clone(&writer), a, Arc::clone(&is_over))))
        .collect();

    for _ in 0..50 {
        writer.create(b.id, batch(b, &["other"])).await.unwrap();
    }

    is_over.store(true, Ordering::Relaxed);
    let mut refused = 0;
    for caller in flood {
        refused += caller.await.unwrap();
    }
    assert!(refused > 0, "there was no flood");
}

/// Creates batches one after the other until it is over. Returns how many were refused.
async fn flood(writer: Arc<TaskWriter>, tenant: Tenant, is_over: Arc<AtomicBool>) -> usize {
    let mut refused = 0;
    while !is_over.load(Ordering::Relaxed) {
        match writer.create(tenant.id, batch(tenant, &["flood"])).await {
            Ok(_) => {}
            Err(Error::TenantOverloaded) => {
                refused += 1;
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    refused
}

/// Makes Postgres refuse tasks of one description, with an error that is no fault of form.
const POISON: &str = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql \
     AS $$ BEGIN RAISE EXCEPTION 'poison'; END $$; \
     CREATE TRIGGER refuse BEFORE INSERT ON tasks FOR EACH ROW \
     WHEN (NEW.description = 'poison') EXECUTE FUNCTION refuse()";

/// The outcomes, in order.
async fn all<const N: usize>(calls: [Call<'_>; N]) -> [Outcome; N] {
    let mut outcomes = Vec::new();
    for call in calls {
        outcomes.push(call.await);
    }
    outcomes.try_into().unwrap()
}

/// The id of a batch's last task.
fn id_of(outcome: &Outcome) -> i64 {
    outcome.as_ref().unwrap().tasks.last().unwrap().id.get()
}

fn descriptions(outcome: &Outcome) -> Vec<&str> {
    outcome.as_ref().unwrap().tasks.iter().map(|task| task.description.as_str()).collect()
}
