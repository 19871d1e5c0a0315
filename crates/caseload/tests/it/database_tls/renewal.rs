//! The server's certificate is replaced while everything runs.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

use tonic_health::pb::health_check_response::ServingStatus;

use super::fixture::{APP, SecurePostgres, run};
use crate::{
    outages::probes::grpc_health,
    support::{App, Authority, Holder, ONE_ASSIGNED_TASK, TestDatabase, polling::eventually},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_under_load_and_no_call_fails() {
    let postgres = SecurePostgres::start();
    let next = Authority::create("Next");
    let both = postgres.authority.certificate() + &next.certificate();
    postgres.write("both.pem", &both);
    postgres.write("next.pem", &next.certificate());
    let url = postgres.url(APP, "localhost", &postgres.verified_by("both.pem"));
    let migrated = run(&url, &["migrate"]);
    assert_eq!(migrated.code(), Some(0), "{migrated:?}");
    let app = Arc::new(App::builder().start_on(TestDatabase::at(url.expose())).await);
    assert_eq!(app.create(ONE_ASSIGNED_TASK).await.status, 201);

    let (is_over, created) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let load = {
        let (app, is_over, created) =
            (Arc::clone(&app), Arc::clone(&is_over), Arc::clone(&created));
        tokio::spawn(async move {
            while !is_over.load(Relaxed) {
                let reply = app.create(ONE_ASSIGNED_TASK).await;
                assert_eq!(reply.status, 201, "{reply:?}");
                created.fetch_add(1, Relaxed);
            }
        })
    };

    postgres.serve(&next, Holder { names: &["localhost"], ..Holder::default() });
    postgres.reload();
    // Who trusts the next authority alone connects from now on, and who trusts the first one alone does not.
    let renewed = postgres.url(APP, "localhost", &postgres.verified_by("next.pem"));
    eventually("the other certificate", async || {
        (run(&renewed, &["migrate", "--check"]).code() == Some(0)).then_some(())
    })
    .await;
    assert_eq!(run(&postgres.good_url(), &["migrate", "--check"]).code(), Some(1));
    assert_eq!(run(&url, &["migrate", "--check"]).code(), Some(0));

    let seen = created.load(Relaxed);
    eventually("more calls", async || (created.load(Relaxed) > seen + 5).then_some(())).await;
    is_over.store(true, Relaxed);
    load.await.unwrap();

    // Nor does one that starts now find anything wrong.
    let other = app.start_server(&[]).await;
    eventually("another server", async || {
        let health = grpc_health(other).await?;
        (health == [ServingStatus::Serving; 2]).then_some(())
    })
    .await;
}
