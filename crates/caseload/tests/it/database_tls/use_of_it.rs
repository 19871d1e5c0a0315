//! Everything that connects does so over TLS.

use domain::Scope;
use reqwest::Method;
use serde_json::Value;

use super::fixture::{APP, MUTUAL, PASSWORD, SecurePostgres, run};
use crate::support::{
    App, Holder, ONE_ASSIGNED_TASK, Reply, TestDatabase, new_key, polling::eventually,
};

/// The connections through the port that are open, and those of them that are not encrypted.
const CONNECTIONS: &str = "\
    SELECT count(*) > 0, count(*) FILTER (WHERE NOT s.ssl)
    FROM pg_stat_ssl AS s JOIN pg_stat_activity AS a USING (pid)
    WHERE a.client_addr IS NOT NULL";

/// How many sessions listen for changes of keys.
const LISTENERS: &str = "\
    SELECT count(*) FROM pg_stat_ssl AS s JOIN pg_stat_activity AS a USING (pid)
    WHERE s.ssl AND a.query = 'LISTEN caseload_api_keys'";

#[tokio::test(flavor = "multi_thread")]
async fn commands_the_server_and_its_listener_connect_over_verified_tls() {
    let postgres = SecurePostgres::start();
    let url = postgres.good_url();
    let migrated = run(&url, &["migrate"]);
    assert_eq!(migrated.code(), Some(0), "{migrated:?}");

    let app = App::builder()
        .server_args(&["--key-ttl", "1h"])
        .start_on(TestDatabase::at(url.expose()))
        .await;
    eventually("readiness", async || {
        let reply = Reply::of(app.request(Method::GET, "/readyz")).await;
        (reply.status == 200).then_some(())
    })
    .await;
    assert_eq!(app.create(ONE_ASSIGNED_TASK).await.status, 201);
    eventually("the listener", async || (postgres.query(LISTENERS) == "1").then_some(())).await;
    assert_eq!(postgres.query(CONNECTIONS), "t|0");

    // A command revokes a key, and the server hears of it long before the key's time in the cache is over.
    let key = new_key();
    let id = app.store_key(app.tenant, &key, &[Scope::TasksWrite], None).await;
    let status = async || {
        let request = app.request(Method::POST, &app.batch_path()).bearer_auth(key.expose());
        let request = request.header("content-type", "application/json");
        Reply::of(request.body(ONE_ASSIGNED_TASK)).await.status
    };
    assert_eq!(status().await, 201);
    let id = id.get().to_string();
    let revoked = run(&url, &["admin", "--json", "key", "revoke", "--tenant", "Acme", &id]);
    assert_eq!(revoked.code(), Some(0), "{revoked:?}");
    let revoked: Value = serde_json::from_str(&revoked.stdout).unwrap();
    assert_eq!(revoked["valid"], false);
    eventually("the revocation", async || (status().await == 401).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_needs_a_certificate_connects_with_it_and_not_without() {
    let postgres = SecurePostgres::start();
    let verified = postgres.verified_by("ca.pem");
    let with = |name: &str| {
        let holder = Holder { common_name: Some(name), ..Holder::default() };
        let issued = postgres.authority.issue(holder);
        let certificate = postgres.write(&format!("{name}.crt"), &issued.certificate);
        let key = postgres.write(&format!("{name}.key"), &issued.key);
        postgres.url(MUTUAL, "localhost", &format!("{verified}&sslcert={certificate}&sslkey={key}"))
    };
    let url = with(MUTUAL);
    let migrated = run(&url, &["migrate"]);
    assert_eq!(migrated.code(), Some(0), "{migrated:?}");
    let app = App::builder().start_on(TestDatabase::at(url.expose())).await;
    assert_eq!(app.create(ONE_ASSIGNED_TASK).await.status, 201);

    let (without, other) = (postgres.url(MUTUAL, "localhost", &verified), with(APP));
    for (url, reason) in [
        (without, "connection requires a valid client certificate"),
        (other, "authentication failed for user \"mutual\""),
    ] {
        let refused = run(&url, &["migrate"]);
        assert_eq!(refused.code(), Some(1), "{refused:?}");
        assert!(refused.stderr.contains(reason), "{reason}: {refused:?}");
        refused.assert_never_wrote(&[PASSWORD]);
    }
}
