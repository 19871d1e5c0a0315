//! Calls of the directory when the database goes away.

use std::sync::Arc;

use domain::Scope;
use localdb::Cluster;
use proto::directory::v1::GetUserRequest;

use super::{Feeder, by_email, user};
use crate::support::{App, Session, TestDatabase, code_and_reasons, new_key};

#[tokio::test(flavor = "multi_thread")]
async fn only_a_call_that_may_have_written_has_an_unknown_outcome() {
    let mut cluster = Cluster::temporary()
        .setting("synchronous_commit", "on")
        .setting("shared_buffers", "4MB")
        .start()
        .unwrap();
    let database = TestDatabase::create_on(&cluster).await;
    let args = ["--checkout-timeout", "1s"];
    let app = Arc::new(App::builder().server_args(&args).start_on(database).await);
    let mut writer = Feeder::new(&app).await;
    // Of another tenant, as one has one connection at a time.
    let (other, ..) = app.other_tenant().await;
    let key = new_key();
    app.store_key(other, &key, &[Scope::Admin], None).await;
    let mut reader = Feeder::with_key(&app, key).await;
    let users = [user("x1", "a@example.com", "A")];
    writer.feed(&users).await;
    let get =
        |feeder: &Feeder| feeder.request(GetUserRequest { user: by_email("user1@example.com") });
    reader.client.get_user(get(&reader)).await.unwrap();

    let mut session = Session::open(app.database.url());
    session.query("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE");
    let writing = tokio::spawn({
        let mut writer = Feeder { client: writer.client.clone(), key: writer.key.clone() };
        async move { writer.try_feed(&[user("x1", "b@example.com", "A")]).await.unwrap_err() }
    });
    session.await_blocked(1);
    let reading = tokio::spawn({
        let mut reader = Feeder { client: reader.client.clone(), key: reader.key.clone() };
        async move { reader.client.get_user(get(&reader)).await.unwrap_err() }
    });
    session.await_blocked(2);
    cluster.kill().unwrap();
    assert_eq!(code_and_reasons(&writing.await.unwrap()), "UNKNOWN OUTCOME_UNKNOWN");
    assert_eq!(code_and_reasons(&reading.await.unwrap()), "UNAVAILABLE DATABASE_UNAVAILABLE");
    // Nothing is sent any more once the connections are known to be lost.
    let status = writer.try_feed(&users).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "UNAVAILABLE DATABASE_UNAVAILABLE");
}
