//! API keys over gRPC and over REST: which are accepted, for how long, and how others are rejected.

mod changes;
mod hosts;
mod networks;
mod uses;

use std::time::{Duration, SystemTime};

use domain::Scope;
use reqwest::header::HeaderValue;

use crate::support::{App, CreateCall, ONE_TASK, Reply, new_key, polling::eventually};

/// The result of a call with a key that is unknown, revoked or expired.
const INVALID: &str = "UNAUTHENTICATED KEY_INVALID";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_must_be_one_well_formed_bearer_token() {
    let app = App::start().await;
    let key = app.key.expose();
    let authorization = |value: &str| CreateCall::new(&app).header("authorization", value);
    let bearer = format!("Bearer {key}");
    let table = [
        (CreateCall::new(&app), "KEY_REQUIRED"),
        // Not of the form `Bearer KEY`.
        (authorization("Bearer"), "AUTHORIZATION_MALFORMED"),
        (authorization(key), "AUTHORIZATION_MALFORMED"),
        (authorization(&format!("Basic {key}")), "AUTHORIZATION_MALFORMED"),
        (authorization(&format!("Bearer  {key}")), "AUTHORIZATION_MALFORMED"),
        (authorization(&format!("Bearer\t{key}")), "AUTHORIZATION_MALFORMED"),
        (authorization(&format!("Bearer {key},{key}")), "AUTHORIZATION_MALFORMED"),
        (authorization(&format!("{bearer}, {bearer}")), "AUTHORIZATION_MALFORMED"),
        // Of the form `Bearer KEY`, but no such key exists.
        (authorization("Bearer hunter2hunter2"), "KEY_INVALID"),
        (authorization(&format!("Bearer {}", key.to_uppercase())), "KEY_INVALID"),
        (authorization(&format!("{bearer}x")), "KEY_INVALID"),
        (authorization(&bearer[..bearer.len() - 1]), "KEY_INVALID"),
        (CreateCall::new(&app).key(&new_key()), "KEY_INVALID"),
        // Two keys are rejected, also where both are the same or only the second is valid.
        (authorization(&bearer).header("authorization", &bearer), "KEY_REPEATED"),
        (CreateCall::new(&app).key(&new_key()).key(&app.key), "KEY_REPEATED"),
        (authorization("Basic abcdefghi").header("authorization", &bearer), "KEY_REPEATED"),
    ];
    for (call, reason) in table {
        assert_eq!(call.result(&app).await, format!("UNAUTHENTICATED {reason}"), "{call:?}");
    }
    assert_eq!(app.row_counts(), (0, 0));

    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(authorization(&format!("{scheme} {key}")).result(&app).await, "OK");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_also_accepts_a_key_in_x_user_token_and_checks_it_as_strictly() {
    let app = App::start().await;
    let key = app.key.expose();
    let token = |value: &str| CreateCall::new(&app).header("x-user-token", value);
    let table = [
        (token(""), "AUTHORIZATION_MALFORMED"),
        (token(&format!("Bearer {key}")), "AUTHORIZATION_MALFORMED"),
        (token("hunter2hunter2"), "KEY_INVALID"),
        (token(new_key().expose()), "KEY_INVALID"),
        (token(key).header("x-user-token", key), "KEY_REPEATED"),
        (token(key).key(&app.key), "KEY_REPEATED"),
        (token(key).header("authorization", "Basic abcdefghi"), "KEY_REPEATED"),
    ];
    for (call, reason) in table {
        assert_eq!(
            call.result_over_rest(&app).await,
            format!("UNAUTHENTICATED {reason}"),
            "{call:?}"
        );
    }
    // gRPC accepts a key in `authorization` only.
    assert_eq!(token(key).result_over_grpc(&app).await, "UNAUTHENTICATED KEY_REQUIRED");
    assert_eq!(app.row_counts(), (0, 0));
    assert_eq!(token(key).result_over_rest(&app).await, "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_header_that_is_not_text_is_rejected() {
    let app = App::start().await;
    for name in ["authorization", "x-user-token"] {
        let request = app
            .request(reqwest::Method::POST, &app.batch_path())
            .header(name, HeaderValue::from_bytes(b"Bearer cl_\xe9\xff").unwrap())
            .header("content-type", "application/json")
            .body(ONE_TASK);
        let reply = Reply::of(request).await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.problem()["errors"][0]["details"], "AUTHORIZATION_MALFORMED");
    }
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_key_with_the_write_scope_may_create_tasks() {
    let app = App::start().await;
    for (scopes, expected) in [
        (&[Scope::TasksRead][..], "PERMISSION_DENIED SCOPE_REQUIRED"),
        (&[Scope::Admin], "PERMISSION_DENIED SCOPE_REQUIRED"),
        (&[Scope::TasksRead, Scope::Admin], "PERMISSION_DENIED SCOPE_REQUIRED"),
        (&[Scope::TasksWrite], "OK"),
        (&Scope::ALL, "OK"),
    ] {
        let key = app.key_with(scopes).await;
        assert_eq!(CreateCall::new(&app).key(&key).result(&app).await, expected, "{scopes:?}");
    }
    assert_eq!(app.row_counts(), (4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gives_access_to_the_cases_of_its_own_tenant_only() {
    let app = App::start().await;
    let (_, other_case, other_key) = app.other_tenant().await;

    let ours_with_their_key = CreateCall::new(&app).key(&other_key);
    let theirs_with_our_key = CreateCall::new(&app).case(other_case).key(&app.key);
    assert_eq!(ours_with_their_key.result(&app).await, "NOT_FOUND CASE_NOT_FOUND");
    assert_eq!(theirs_with_our_key.result(&app).await, "NOT_FOUND CASE_NOT_FOUND");
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_and_an_expired_key_are_rejected_like_an_unknown_key() {
    let app = App::start().await;
    let (revoked, expired, fresh) = (new_key(), new_key(), new_key());
    let id = app.store_key(app.tenant, &revoked, &Scope::ALL, None).await;
    app.admin.revoke_api_key(app.tenant, id).await.unwrap();
    let now = SystemTime::now();
    let (past, future) = (now - Duration::from_secs(1), now + Duration::from_secs(3600));
    app.store_key(app.tenant, &expired, &Scope::ALL, Some(past)).await;
    app.store_key(app.tenant, &fresh, &Scope::ALL, Some(future)).await;

    assert_eq!(CreateCall::new(&app).key(&revoked).result(&app).await, INVALID);
    assert_eq!(CreateCall::new(&app).key(&expired).result(&app).await, INVALID);
    assert_eq!(app.row_counts(), (0, 0));
    assert_eq!(CreateCall::new(&app).key(&fresh).result(&app).await, "OK");
}

/// The cache entry of a key ends when the key expires, however long the cache's TTL is.
#[tokio::test(flavor = "multi_thread")]
async fn a_cached_key_expires_on_time() {
    let app = App::builder().server_args(&["--key-ttl", "1h"]).start().await;
    let key = new_key();
    let expiry = SystemTime::now() + Duration::from_secs(3);
    app.store_key(app.tenant, &key, &Scope::ALL, Some(expiry)).await;
    let call = CreateCall::new(&app).key(&key);
    assert_eq!(call.result_over_grpc(&app).await, "OK");

    eventually("the key to expire", async || {
        let (before, result) = (SystemTime::now(), call.result_over_grpc(&app).await);
        assert!(result == INVALID || before < expiry, "{result} after the key expired");
        (result == INVALID).then_some(())
    })
    .await;
    assert!(SystemTime::now() >= expiry, "rejected before the key expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_rejected_once_its_cache_entry_has_expired() {
    let app = App::builder().server_args(&["--key-ttl", "1ms"]).start().await;
    let key = new_key();
    let id = app.store_key(app.tenant, &key, &Scope::ALL, None).await;
    let call = CreateCall::new(&app).key(&key);
    assert_eq!(call.result(&app).await, "OK");

    app.admin.revoke_api_key(app.tenant, id).await.unwrap();

    eventually("the key to be rejected", async || {
        (call.result_over_grpc(&app).await == INVALID).then_some(())
    })
    .await;
    assert_eq!(call.result(&app).await, INVALID);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_ttl_of_zero_looks_each_key_up_each_time() {
    let app =
        App::builder().server_args(&["--key-ttl", "0s", "--unknown-key-ttl", "0s"]).start().await;
    let key = new_key();
    let call = CreateCall::new(&app).key(&key);

    assert_eq!(call.result(&app).await, INVALID);
    let id = app.store_key(app.tenant, &key, &Scope::ALL, None).await;
    assert_eq!(call.result(&app).await, "OK");
    app.admin.revoke_api_key(app.tenant, id).await.unwrap();
    assert_eq!(call.result(&app).await, INVALID);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_cached_as_unknown() {
    let app = App::builder().server_args(&["--unknown-key-ttl", "1h"]).start().await;
    let key = new_key();
    let call = CreateCall::new(&app).key(&key);
    assert_eq!(call.result(&app).await, INVALID);

    app.store_key(app.tenant, &key, &Scope::ALL, None).await;

    assert_eq!(call.result(&app).await, INVALID);
    // Other keys are not.
    assert_eq!(CreateCall::new(&app).key(&app.key).result(&app).await, "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_created_after_a_miss_is_accepted_once_the_miss_has_expired() {
    let app = App::builder().server_args(&["--unknown-key-ttl", "1ms"]).start().await;
    let key = new_key();
    let call = CreateCall::new(&app).key(&key);
    assert_eq!(call.result(&app).await, INVALID);

    app.store_key(app.tenant, &key, &Scope::ALL, None).await;

    eventually("the key to be accepted", async || {
        (call.result_over_grpc(&app).await == "OK").then_some(())
    })
    .await;
    assert_eq!(call.result(&app).await, "OK");
}
