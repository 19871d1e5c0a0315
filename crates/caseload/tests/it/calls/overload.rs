//! Every call is rejected at once where there is no room for it, and says when to try again.

use crate::support::{API_CALLS, App, ONE_TASK, Reply, Session};

#[tokio::test(flavor = "multi_thread")]
async fn every_call_beyond_the_limit_of_calls_in_flight_is_rejected() {
    let app = App::builder().server_args(&["--max-in-flight", "1"]).start().await;
    let key = app.key_for_all().await;
    app.use_idempotency_key("the-key");
    let target = app.target();
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let in_flight = tokio::spawn(Reply::of(app.post().body(ONE_TASK)));
    session.await_blocked(1);
    for call in API_CALLS {
        let result = call.result(&app, Some(&key), &target).await;
        assert_eq!(result, "UNAVAILABLE OVERLOADED", "{}", call.name);
    }
    session.unlock();
    assert_eq!(in_flight.await.unwrap().status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_counts_against_the_rate_limit() {
    let app = App::builder().server_args(&["--key-rate", "1:1"]).start().await;
    app.use_idempotency_key("the-key");
    for call in API_CALLS {
        // A key of its own, whose first call is allowed.
        let key = app.key_for_all().await;
        let target = app.target();
        assert_eq!(call.result(&app, Some(&key), &target).await, "OK", "{}", call.name);
        let mut last = String::new();
        for _ in 0..20 {
            last = call.result(&app, Some(&key), &target).await;
            if last == "RESOURCE_EXHAUSTED RATE_LIMITED" {
                break;
            }
        }
        assert_eq!(last, "RESOURCE_EXHAUSTED RATE_LIMITED", "{}", call.name);
    }
}
