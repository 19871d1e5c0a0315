//! Which batches wait in the queue, and which are rejected.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use domain::Error;
use store::{TaskWriter, WriterSettings};

use crate::support::write_path::{
    ONE_WRITER, Tenant, WritePath, batch, last_task_id, outcomes, submit,
};

#[tokio::test]
async fn a_batch_whose_caller_is_gone_is_removed_from_the_queue() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let [a, b, _] = path.tenants;

    let first = path.block_writer(&writer);
    let withdrawn = submit(&writer, a, batch(a, &["withdrawn"])).unwrap();
    let kept = submit(&writer, b, batch(b, &["kept"])).unwrap();
    drop(withdrawn);
    path.unblock_writer();

    first.await.unwrap();
    kept.await.unwrap();
    assert_eq!(
        path.database.query("SELECT string_agg(description, ' ' ORDER BY id) FROM tasks"),
        "first kept"
    );
}

#[tokio::test]
async fn a_tenant_is_rejected_beyond_its_queue_quota_and_others_wait_behind_no_more_than_that() {
    let mut path = WritePath::create().await;
    let settings =
        WriterSettings { batches_per_statement: 1, queue_length_per_tenant: 3, ..ONE_WRITER };
    let writer = path.writer(settings);
    let [a, b, _] = path.tenants;

    let first = path.block_writer(&writer);
    let (accepted, rejected): (Vec<_>, Vec<_>) =
        (0..10).map(|_| submit(&writer, a, batch(a, &["flood"]))).partition(Result::is_ok);
    let other = submit(&writer, b, batch(b, &["other"])).unwrap();
    path.unblock_writer();

    assert_eq!(accepted.len(), 3);
    for rejection in rejected {
        let rejection = rejection.err().unwrap();
        assert!(matches!(rejection, Err(Error::TenantOverloaded)), "{rejection:?}");
    }
    let first = last_task_id(&first.await);
    // One writer, one batch a statement, ids from one sequence: ids show the order of execution.
    assert_eq!(last_task_id(&other.await), first + 4);
    for batch in accepted {
        batch.unwrap().await.unwrap();
    }
}

#[tokio::test]
async fn a_full_queue_rejects_every_tenant_at_once_and_accepts_more_once_it_has_capacity() {
    let mut path = WritePath::create().await;
    let settings = WriterSettings { queue_length: 4, queue_length_per_tenant: 3, ..ONE_WRITER };
    let writer = path.writer(settings);
    let [a, b, c] = path.tenants;

    let first = path.block_writer(&writer);
    let accepted =
        [a, a, b, c].map(|tenant| submit(&writer, tenant, batch(tenant, &["x"])).unwrap());
    for tenant in [a, b, c] {
        let rejection = submit(&writer, tenant, batch(tenant, &["x"])).err();
        assert!(matches!(rejection, Some(Err(Error::Overloaded))), "{rejection:?}");
    }
    path.unblock_writer();

    first.await.unwrap();
    for outcome in outcomes(accepted).await {
        outcome.unwrap();
    }
    writer.create(c.actor(), batch(c, &["x"])).await.unwrap();
    assert_eq!(path.database.query("SELECT count(*) FROM tasks"), "6");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_tenants_flood_the_queue_another_is_never_rejected() {
    let path = WritePath::create().await;
    // The quotas of two tenants would fill the queue.
    let settings = WriterSettings {
        batches_per_statement: 4,
        queue_length: 16,
        queue_length_per_tenant: 8,
        ..ONE_WRITER
    };
    let writer = Arc::new(path.writer(settings));
    let [a, b, c] = path.tenants;
    let is_over = Arc::new(AtomicBool::new(false));
    // Twice as many callers as the tenants' queue quotas.
    let flood: Vec<_> = (0..32)
        .map(|number| if number % 2 == 0 { a } else { c })
        .map(|tenant| tokio::spawn(flood(Arc::clone(&writer), tenant, Arc::clone(&is_over))))
        .collect();

    for _ in 0..50 {
        writer.create(b.actor(), batch(b, &["other"])).await.unwrap();
    }

    is_over.store(true, Ordering::Relaxed);
    let mut rejected = 0;
    for caller in flood {
        rejected += caller.await.unwrap();
    }
    assert!(rejected > 0, "there was no flood");
}

/// Creates batches one after the other until `is_over`. Returns how many were rejected.
async fn flood(writer: Arc<TaskWriter>, tenant: Tenant, is_over: Arc<AtomicBool>) -> usize {
    let mut rejected = 0;
    while !is_over.load(Ordering::Relaxed) {
        match writer.create(tenant.actor(), batch(tenant, &["flood"])).await {
            Ok(_) => {}
            Err(Error::TenantOverloaded) => {
                rejected += 1;
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    rejected
}
