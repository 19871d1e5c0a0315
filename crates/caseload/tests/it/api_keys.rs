//! Keys at both doors: who gets in, for how long, and what the others are told.

use std::time::{Duration, SystemTime};

use domain::Scope;
use reqwest::header::HeaderValue;

use crate::{
    support::create_call::Call,
    support::{App, Reply, new_key, polling::eventually},
};

const INVALID: &str = "UNAUTHENTICATED KEY_INVALID";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_one_form_and_is_given_once() {
    let app = App::start().await;
    let key = app.key.expose();
    let authorization = |value: &str| Call::of(&app).header("authorization", value);
    let bearer = format!("Bearer {key}");
    let table = [
        (Call::of(&app), "KEY_REQUIRED"),
        // Not of the form `Bearer KEY`.
        (authorization("Bearer"), "AUTHORIZATION_MALFORMED"),
        (authorization(key), "AUTHORIZATION_MALFORMED"),
        (authorization(&format!("Basic {key}")), "AUTHORIZATION_MALFORMED"),
        (authorization(&format!("Bearer  {key}")), "AUTHORIZATION_MALFORMED"),
        (authorization(&format!("Bearer\t{key}")), "AUTHORIZATION_MALFORMED"),
        (authorization(&format!("Bearer {key},{key}")), "AUTHORIZATION_MALFORMED"),
        (authorization(&format!("{bearer}, {bearer}")), "AUTHORIZATION_MALFORMED"),
        // Of the form, but no key that there is.
        (authorization("Bearer hunter2hunter2"), "KEY_INVALID"),
        (authorization(&format!("Bearer {}", key.to_uppercase())), "KEY_INVALID"),
        (authorization(&format!("{bearer}x")), "KEY_INVALID"),
        (authorization(&bearer[..bearer.len() - 1]), "KEY_INVALID"),
        (Call::of(&app).key(&new_key()), "KEY_INVALID"),
        // Twice is once too many, also where it's the same key, or a good one after a bad one.
        (authorization(&bearer).header("authorization", &bearer), "KEY_REPEATED"),
        (Call::of(&app).key(&new_key()).key(&app.key), "KEY_REPEATED"),
        (authorization("Basic abcdefghi").header("authorization", &bearer), "KEY_REPEATED"),
    ];
    for (call, reason) in table {
        assert_eq!(call.told(&app).await, format!("UNAUTHENTICATED {reason}"), "{call:?}");
    }
    assert_eq!(app.row_counts(), (0, 0));

    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(authorization(&format!("{scheme} {key}")).told(&app).await, "OK");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x_user_token_is_a_key_of_rest_and_as_strict() {
    let app = App::start().await;
    let key = app.key.expose();
    let token = |value: &str| Call::of(&app).header("x-user-token", value);
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
        assert_eq!(call.rest(&app).await, format!("UNAUTHENTICATED {reason}"), "{call:?}");
    }
    // gRPC knows one place for a key.
    assert_eq!(token(key).grpc(&app).await, "UNAUTHENTICATED KEY_REQUIRED");
    assert_eq!(app.row_counts(), (0, 0));
    assert_eq!(token(key).rest(&app).await, "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_text_are_no_key() {
    let app = App::start().await;
    for name in ["authorization", "x-user-token"] {
        let request = app
            .request(reqwest::Method::POST, &app.batch_path())
            .header(name, HeaderValue::from_bytes(b"Bearer cl_\xe9\xff").unwrap())
            .header("content-type", "application/json")
            .body(r#"{"tasks":[{"description":"a"}]}"#);
        let reply = Reply::of(request).await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.problem()["errors"][0]["details"], "AUTHORIZATION_MALFORMED");
    }
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_key_with_the_scope_may_write() {
    let app = App::start().await;
    for (scopes, told) in [
        (&[Scope::TasksRead][..], "PERMISSION_DENIED SCOPE_REQUIRED"),
        (&[Scope::Admin], "PERMISSION_DENIED SCOPE_REQUIRED"),
        (&[Scope::TasksRead, Scope::Admin], "PERMISSION_DENIED SCOPE_REQUIRED"),
        (&[Scope::TasksWrite], "OK"),
        (&Scope::ALL, "OK"),
    ] {
        let key = app.key_with(scopes).await;
        assert_eq!(Call::of(&app).key(&key).told(&app).await, told, "{scopes:?}");
    }
    assert_eq!(app.row_counts(), (4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_its_own_tenants_cases_only() {
    let app = App::start().await;
    let (_, other_case, other_key) = app.other_tenant().await;

    let ours_with_their_key = Call::of(&app).key(&other_key);
    let theirs_with_our_key = Call::of(&app).case(other_case).key(&app.key);
    assert_eq!(ours_with_their_key.told(&app).await, "NOT_FOUND CASE_NOT_FOUND");
    assert_eq!(theirs_with_our_key.told(&app).await, "NOT_FOUND CASE_NOT_FOUND");
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_and_an_expired_key_are_refused_as_one_that_never_was() {
    let app = App::start().await;
    let (revoked, expired, fresh) = (new_key(), new_key(), new_key());
    let id = app.store_key(app.tenant, &revoked, &Scope::ALL, None).await;
    app.admin.revoke_key(app.tenant, id).await.unwrap();
    let now = SystemTime::now();
    let (past, future) = (now - Duration::from_secs(1), now + Duration::from_secs(3600));
    app.store_key(app.tenant, &expired, &Scope::ALL, Some(past)).await;
    app.store_key(app.tenant, &fresh, &Scope::ALL, Some(future)).await;

    assert_eq!(Call::of(&app).key(&revoked).told(&app).await, INVALID);
    assert_eq!(Call::of(&app).key(&expired).told(&app).await, INVALID);
    assert_eq!(app.row_counts(), (0, 0));
    assert_eq!(Call::of(&app).key(&fresh).told(&app).await, "OK");
}

/// It is remembered as valid until a certain time, not as valid.
#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_key_expires_on_time() {
    let app = App::builder().server_args(&["--key-ttl", "1h"]).start().await;
    let key = new_key();
    let expiry = SystemTime::now() + Duration::from_secs(3);
    app.store_key(app.tenant, &key, &Scope::ALL, Some(expiry)).await;
    let call = Call::of(&app).key(&key);
    assert_eq!(call.grpc(&app).await, "OK");

    eventually("the key to expire", async || {
        let (before, told) = (SystemTime::now(), call.grpc(&app).await);
        assert!(told == INVALID || before < expiry, "{told} after the key expired");
        (told == INVALID).then_some(())
    })
    .await;
    assert!(SystemTime::now() >= expiry, "refused before the key expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_key_works_on_after_it_was_revoked_for_as_long_as_it_is_remembered() {
    let app = App::builder().server_args(&["--key-ttl", "1h"]).start().await;
    let key = new_key();
    let id = app.store_key(app.tenant, &key, &Scope::ALL, None).await;
    let call = Call::of(&app).key(&key);
    assert_eq!(call.told(&app).await, "OK");

    app.admin.revoke_key(app.tenant, id).await.unwrap();

    assert_eq!(call.told(&app).await, "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_stops_once_it_is_forgotten() {
    let app = App::builder().server_args(&["--key-ttl", "1ms"]).start().await;
    let key = new_key();
    let id = app.store_key(app.tenant, &key, &Scope::ALL, None).await;
    let call = Call::of(&app).key(&key);
    assert_eq!(call.told(&app).await, "OK");

    app.admin.revoke_key(app.tenant, id).await.unwrap();

    eventually("the key to be refused", async || (call.grpc(&app).await == INVALID).then_some(()))
        .await;
    assert_eq!(call.told(&app).await, INVALID);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_time_to_remember_a_key_is_looked_up_each_time() {
    let app =
        App::builder().server_args(&["--key-ttl", "0s", "--unknown-key-ttl", "0s"]).start().await;
    let key = new_key();
    let call = Call::of(&app).key(&key);

    assert_eq!(call.told(&app).await, INVALID);
    let id = app.store_key(app.tenant, &key, &Scope::ALL, None).await;
    assert_eq!(call.told(&app).await, "OK");
    app.admin.revoke_key(app.tenant, id).await.unwrap();
    assert_eq!(call.told(&app).await, INVALID);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_remembered_as_unknown() {
    let app = App::builder().server_args(&["--unknown-key-ttl", "1h"]).start().await;
    let key = new_key();
    let call = Call::of(&app).key(&key);
    assert_eq!(call.told(&app).await, INVALID);

    app.store_key(app.tenant, &key, &Scope::ALL, None).await;

    assert_eq!(call.told(&app).await, INVALID);
    // The others are not.
    assert_eq!(Call::of(&app).key(&app.key).told(&app).await, "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_works_once_it_was_created_and_the_miss_is_forgotten() {
    let app = App::builder().server_args(&["--unknown-key-ttl", "1ms"]).start().await;
    let key = new_key();
    let call = Call::of(&app).key(&key);
    assert_eq!(call.told(&app).await, INVALID);

    app.store_key(app.tenant, &key, &Scope::ALL, None).await;

    eventually("the key to be taken", async || (call.grpc(&app).await == "OK").then_some(())).await;
    assert_eq!(call.told(&app).await, "OK");
}
