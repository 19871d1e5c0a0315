//! Changes of keys reach every server at once: their caches keep keys for an hour here, so only a
//! notification explains it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use domain::{ApiKey, Scope};
use proto::tasks::v1::task_service_client::TaskServiceClient;
use tonic::{Code, Request, transport::Endpoint};

use super::INVALID;
use crate::support::{App, Session, code_and_reasons, new_key, new_task, polling::eventually};

const ARGS: [&str; 2] = ["--key-ttl", "1h"];

/// Makes a call to a server with this key. Returns `OK`, or `CODE REASON…`.
async fn call(app: &App, server: SocketAddr, key: &ApiKey) -> String {
    let server = Endpoint::try_from(format!("http://{server}")).unwrap();
    let mut client = TaskServiceClient::new(server.connect().await.unwrap());
    let mut request = Request::new(proto::tasks::v1::BatchCreateTasksRequest {
        case_id: app.case_id,
        tasks: vec![new_task("a task", &[])],
        ..Default::default()
    });
    let bearer = format!("Bearer {}", key.expose()).parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    match client.batch_create_tasks(request).await {
        Ok(_) => "OK".to_owned(),
        Err(status) => {
            assert_ne!(status.code(), Code::Unavailable, "{status:?}");
            code_and_reasons(&status)
        }
    }
}

async fn await_result(app: &App, server: SocketAddr, key: &ApiKey, expected: &str) {
    eventually(expected, async || (call(app, server, key).await == expected).then_some(())).await;
}

/// Returns the processes of the sessions that listen.
fn listeners(session: &mut Session) -> String {
    session.query(
        "SELECT array_agg(pid ORDER BY pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND query = 'LISTEN caseload_api_keys'",
    )
}

/// Returns the process of the session that listens; `None` if none does.
fn listener(session: &mut Session) -> Option<i32> {
    let listening = "SELECT max(pid) FROM pg_stat_activity \
        WHERE datname = current_database() AND query = 'LISTEN caseload_api_keys'";
    session.query(listening).parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_key_reaches_two_servers_that_have_it_cached() {
    let app = App::builder().server_args(&ARGS).start().await;
    let servers = [app.grpc_addr, app.start_server(&ARGS).await];
    let other = app.key_with(&[Scope::TasksWrite]).await;
    const NO_SCOPE: &str = "PERMISSION_DENIED SCOPE_REQUIRED";
    for (change, expected) in [
        // By a command.
        (None, INVALID),
        // By hand, or by a program of another release.
        (Some("UPDATE api_keys SET revoked_at = now() WHERE id ="), INVALID),
        (Some("UPDATE api_keys SET revoked_at = now(), last_used_at = now() WHERE id ="), INVALID),
        (Some("UPDATE api_keys SET expires_at = now() WHERE id ="), INVALID),
        (Some("UPDATE api_keys SET scopes = '{admin}' WHERE id ="), NO_SCOPE),
        (Some("DELETE FROM api_keys WHERE id ="), INVALID),
    ] {
        let key = new_key();
        let id = app.store_key(app.tenant, &key, &[Scope::TasksWrite], None).await;
        for server in servers {
            assert_eq!(call(&app, server, &key).await, "OK");
        }
        match change {
            None => drop(app.admin.revoke_api_key(app.tenant, id).await.unwrap()),
            Some(sql) => drop(app.database.query(&format!("{sql} {id}"))),
        }
        for server in servers {
            await_result(&app, server, &key, expected).await;
            assert_eq!(call(&app, server, &other).await, "OK", "{change:?}: another key");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_listens_again_after_its_connection_was_closed_and_misses_nothing() {
    let app = App::builder().server_args(&ARGS).start().await;
    let mut session = Session::open(app.database.url());
    let first = eventually("the listener", async || listener(&mut session)).await;
    let [missed, later] = [app.key_with(&[Scope::TasksWrite]).await, app.key.clone()];
    for key in [&missed, &later] {
        assert_eq!(call(&app, app.grpc_addr, key).await, "OK");
    }

    // While nobody listens, as the session ends before the other transaction.
    session.query(&format!(
        "BEGIN; UPDATE api_keys SET revoked_at = now() WHERE id = (SELECT max(id) FROM api_keys); \
         SELECT pg_terminate_backend({first}, 10000); COMMIT"
    ));
    await_result(&app, app.grpc_addr, &missed, INVALID).await;

    let second =
        eventually("another listener", async || listener(&mut session).filter(|pid| *pid != first))
            .await;
    // It has it in its cache again, and the listener has said that it was away.
    assert_eq!(call(&app, app.grpc_addr, &later).await, "OK");
    app.database.query("UPDATE api_keys SET revoked_at = now() WHERE revoked_at IS NULL");
    await_result(&app, app.grpc_addr, &later, INVALID).await;
    assert_eq!(listener(&mut session), Some(second));
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_of_keys_are_no_changes() {
    let app = App::builder().server_args(&ARGS).start().await;
    let mut session = Session::open(app.database.url());
    session.query("LISTEN caseload_api_keys");
    app.database.query("UPDATE api_keys SET last_used_at = now()");
    app.database.query("UPDATE api_keys SET name = 'another'");
    // psql prints what has come when it has run a statement.
    let heard = session.query("SELECT 1");
    let changes = heard.lines().filter(|line| line.contains("caseload_api_keys"));
    // The server makes sure that it would hear of changes.
    assert_eq!(changes.filter(|line| !line.contains("probe")).count(), 1, "{heard}");
}

/// The machine may be busy, so the fastest of several revocations counts. The sessions that listen stay the same,
/// so it was no new connection that has emptied the caches.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_reaches_two_servers_in_less_than_a_second() {
    let app = App::builder().server_args(&ARGS).start().await;
    let servers = [app.grpc_addr, app.start_server(&ARGS).await];
    let mut session = Session::open(app.database.url());
    let before = eventually("two listeners", async || {
        Some(listeners(&mut session)).filter(|pids| pids.contains(','))
    })
    .await;
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let key = new_key();
        let id = app.store_key(app.tenant, &key, &[Scope::TasksWrite], None).await;
        for server in servers {
            assert_eq!(call(&app, server, &key).await, "OK");
        }
        app.admin.revoke_api_key(app.tenant, id).await.unwrap();
        let revoked = Instant::now();
        for server in servers {
            await_result(&app, server, &key, INVALID).await;
        }
        fastest = fastest.min(revoked.elapsed());
    }
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");
    assert_eq!(listeners(&mut session), before);
}
