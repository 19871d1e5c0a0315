//! From which addresses keys are accepted.

use std::time::SystemTime;

use domain::{ApiKey, Networks, Scope, TenantId};

use super::INVALID;
use crate::support::{App, CreateCall, new_key, polling::eventually};

const REFUSED: &str = "PERMISSION_DENIED ADDRESS_NOT_ALLOWED";

fn networks(texts: &[&str]) -> Networks {
    Networks::new(texts.iter().map(|text| text.parse().unwrap())).unwrap()
}

/// Starts a server and a gateway to which it was said that this machine's proxies are trusted.
async fn start(server_args: &[&'static str]) -> App {
    let args = [&["--trusted-proxies", "127.0.0.0/8"], server_args].concat();
    let mut app = App::builder().server_args(&args).start().await;
    app.http_addr = app.start_gateway(&["--trusted-proxies", "127.0.0.0/8"]).await;
    app
}

/// Stores a key that is accepted from these networks.
async fn key_from(app: &App, texts: &[&str], scopes: &[Scope]) -> ApiKey {
    let key = new_key();
    let id = app.store_key(app.tenant, &key, scopes, None).await;
    app.admin.set_api_key_networks(app.tenant, id, networks(texts)).await.unwrap();
    key
}

/// Over REST, the gateway tells the server the address of its client.
#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_the_clients_behind_trusted_proxies() {
    let app = start(&[]).await;
    let key = key_from(&app, &["198.51.100.0/24", "2001:db8::/32"], &[Scope::TasksWrite]).await;
    for (forwarded_for, expected) in [
        ("198.51.100.7", "OK"),
        ("198.51.101.7", REFUSED),
        ("2001:db8::7", "OK"),
        ("2001:db9::7", REFUSED),
        ("::ffff:198.51.100.7", "OK"),
        ("::ffff:198.51.101.7", REFUSED),
        // What the client wrote before the proxy's entry is not believed.
        ("198.51.100.7, 203.0.113.1", REFUSED),
        ("203.0.113.1, 198.51.100.7", "OK"),
        // Nobody is named.
        ("unknown", REFUSED),
        ("127.0.0.1", REFUSED),
    ] {
        let call = CreateCall::new(&app).key(&key).header("x-forwarded-for", forwarded_for);
        assert_eq!(call.result(&app).await, expected, "{forwarded_for}");
    }
    // Who comes without the header is not known, either.
    assert_eq!(CreateCall::new(&app).key(&key).result_over_grpc(&app).await, REFUSED);
    assert_eq!(CreateCall::new(&app).key(&app.key).result(&app).await, "OK", "another key");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_trusted_proxies_are_believed() {
    let app = App::builder().server_args(&["--trusted-proxies", "none"]).start().await;
    let elsewhere = key_from(&app, &["198.51.100.0/24"], &[Scope::TasksWrite]).await;
    let here = key_from(&app, &["127.0.0.1"], &[Scope::TasksWrite]).await;
    for (key, expected) in [(&elsewhere, REFUSED), (&here, "OK")] {
        assert_eq!(CreateCall::new(&app).key(key).result_over_grpc(&app).await, expected);
        // Somebody who names a client may be a proxy that nobody has said is one, as the gateway is here.
        let call = CreateCall::new(&app).key(key).header("x-forwarded-for", "198.51.100.7");
        assert_eq!(call.result(&app).await, REFUSED);
    }
}

/// A sidecar connects from loopback, and may pass on what its client has made up.
#[tokio::test(flavor = "multi_thread")]
async fn proxies_that_are_trusted_by_default_are_not_believed_for_keys_with_networks() {
    let app = App::start().await;
    let key = key_from(&app, &["198.51.100.0/24"], &[Scope::TasksWrite]).await;
    let call = CreateCall::new(&app).key(&key).header("x-forwarded-for", "198.51.100.7");
    assert_eq!(call.result(&app).await, REFUSED);

    // Nor is what such a gateway says to a server that trusts it.
    let mut app = start(&[]).await;
    let key = key_from(&app, &["198.51.100.0/24"], &[Scope::TasksWrite]).await;
    let call = CreateCall::new(&app).key(&key).header("x-forwarded-for", "198.51.100.7");
    assert_eq!(call.result(&app).await, "OK");
    app.http_addr = app.start_gateway(&[]).await;
    assert_eq!(call.result_over_rest(&app).await, REFUSED);
    assert_eq!(CreateCall::new(&app).key(&app.key).result(&app).await, "OK", "another key");
}

/// Whoever has a key learns from elsewhere that it is valid, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_nothing_about_the_tenant_the_scopes_or_the_addresses() {
    let app = start(&[]).await;
    let from = ["198.51.100.0/24"];
    let [writer, reader, revoked, expired] = [
        key_from(&app, &from, &[Scope::TasksWrite]).await,
        key_from(&app, &from, &[Scope::TasksRead]).await,
        key_from(&app, &from, &[Scope::TasksWrite]).await,
        key_from(&app, &from, &[Scope::TasksWrite]).await,
    ];
    let set = |key: &ApiKey, column: &str| {
        let digest: String =
            key.digest().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        app.database
            .query(&format!("UPDATE api_keys SET {column} = now() WHERE digest = '\\x{digest}'"));
    };
    set(&revoked, "revoked_at");
    set(&expired, "expires_at");
    for (key, case, description, expected) in [
        (&writer, app.case_id, "a task", REFUSED),
        (&writer, 4_000_000_000, "", REFUSED),
        (&reader, app.case_id, "a task", REFUSED),
        // As from anywhere.
        (&revoked, app.case_id, "a task", INVALID),
        (&expired, app.case_id, "a task", INVALID),
    ] {
        let call = CreateCall::new(&app).key(key).case(case).task(description, &[]);
        let call = call.header("x-forwarded-for", "203.0.113.9");
        assert_eq!(call.result(&app).await, expected);
    }
    let request = app.request(reqwest::Method::GET, "/api/v2/cases").bearer_auth(writer.expose());
    let reply = request.header("x-forwarded-for", "203.0.113.9").send().await.unwrap();
    assert_eq!(reply.status(), 403);
    let text = reply.text().await.unwrap();
    assert!(!text.contains("198.51") && !text.contains("203.0"), "{text}");
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_networks_count_at_once_and_a_new_key_has_those_of_the_old_one() {
    let app = start(&["--key-ttl", "1h"]).await;
    let key = new_key();
    let id = app.store_key(app.tenant, &key, &[Scope::TasksWrite], None).await;
    let call =
        |key: &ApiKey| CreateCall::new(&app).key(key).header("x-forwarded-for", "198.51.100.7");
    assert_eq!(call(&key).result(&app).await, "OK");
    let set = async |texts: &[&str], expected: &str| {
        let tenant: TenantId = app.tenant;
        app.admin.set_api_key_networks(tenant, id, networks(texts)).await.unwrap();
        eventually(expected, async || {
            (call(&key).result_over_grpc(&app).await == expected).then_some(())
        })
        .await;
    };
    set(&["203.0.113.0/24"], REFUSED).await;
    let (new, until) = (new_key(), SystemTime::now());
    app.admin.rotate_api_key(app.tenant, id, new.digest(), until).await.unwrap();
    assert_eq!(call(&new).result(&app).await, REFUSED);
    let from_there = CreateCall::new(&app).key(&new).header("x-forwarded-for", "203.0.113.1");
    assert_eq!(from_there.result(&app).await, "OK");
}
