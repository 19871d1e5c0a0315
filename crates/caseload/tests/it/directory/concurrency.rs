//! Upserts at the same time as others, and what they wait for.

use std::fs;

use domain::{CallAgent, KeyId, UserUpsertDraft, UserUpserts};
use localdb::Cluster;
use proto::directory::v1::{Change, UpsertUser, directory_service_client::DirectoryServiceClient};
use tonic::transport::Endpoint;

use super::{Feeder, user};
use crate::support::{App, CreateCall, Session, TestDatabase, populate};

/// Returns a feeder that calls another server, so that nothing but the database orders the calls of the
/// two.
async fn at_another_server(app: &App, feeder: &Feeder) -> Feeder {
    let addr = app.start_server(&[]).await;
    let endpoint = Endpoint::try_from(format!("http://{addr}")).unwrap();
    let client = DirectoryServiceClient::new(endpoint.connect().await.unwrap());
    Feeder { client, key: feeder.key.clone() }
}

fn users(names: &str) -> Vec<UpsertUser> {
    let users = (0..200).map(|n| user(&format!("x{n}"), &format!("u{n}@example.com"), names));
    users.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_about_the_same_users_in_opposite_orders_take_turns() {
    let app = App::start().await;
    let first = Feeder::new(&app).await;
    let second = at_another_server(&app, &first).await;
    let mut running = Vec::new();
    for (mut feeder, name, is_reversed) in [(first, "A", false), (second, "B", true)] {
        running.push(tokio::spawn(async move {
            let mut created = 0;
            for round in 0..10 {
                let mut users = users(&format!("{name}{round}"));
                if is_reversed {
                    users.reverse();
                }
                let fed = feeder.feed(&users).await;
                created += fed.iter().filter(|(change, _)| *change == Change::Created).count();
                // What a call returns is what it wrote.
                let names = fed.iter().map(|(_, user)| user.first_name.as_str());
                assert!(names.into_iter().all(|found| found == format!("{name}{round}")));
            }
            created
        }));
    }
    let mut created = 0;
    for running in running {
        created += running.await.unwrap();
    }
    assert_eq!(created, 200);
    let names = "SELECT DISTINCT first_name FROM users WHERE external_id IS NOT NULL";
    assert_eq!(app.database.query(names).lines().count(), 1, "all or none");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_waits_for_a_user_whom_somebody_has_locked_and_for_nobody_else() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    feeder.feed(&[user("x1", "a@example.com", "A"), user("x2", "b@example.com", "B")]).await;
    let mut session = Session::open(app.database.url());
    session.query("BEGIN; SELECT FROM users WHERE external_id = 'x1' FOR UPDATE");
    // Who stays as they are is not locked.
    feeder.feed(&[user("x1", "a@example.com", "A"), user("x2", "b@example.com", "Bo")]).await;
    let mut another = at_another_server(&app, &feeder).await;
    let waiting = tokio::spawn(async move {
        another.feed(&[user("x1", "a@example.com", "Al"), user("x3", "c@example.com", "C")]).await
    });
    session.await_blocked(1);
    assert_eq!(app.database.query("SELECT count(*) FROM users WHERE external_id = 'x3'"), "0");
    session.query("UPDATE users SET last_name = 'Meanwhile' WHERE external_id = 'x1'; COMMIT");
    let fed = waiting.await.unwrap();
    let changes: Vec<_> = fed.iter().map(|(change, _)| *change).collect();
    assert_eq!(changes, [Change::Updated, Change::Created]);
    let row = "SELECT first_name, last_name FROM users WHERE external_id = 'x1'";
    assert_eq!(app.database.query(row), "Al|Fed");
}

/// A row that a new task refers to is locked until its transaction ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_or_email_does_not_wait_for_assignments_nor_they_for_it() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    feeder.feed(&[user("x1", "a@example.com", "A")]).await;
    let mut session = Session::open(app.database.url());
    session.query("BEGIN; SELECT FROM users WHERE external_id = 'x1' FOR KEY SHARE");
    for email in ["a@example.com", "b@example.com"] {
        let fed = feeder.feed(&[user("x1", email, email)]).await;
        assert_eq!(fed[0].0, Change::Updated);
    }
    session.query("COMMIT");
    session.query("BEGIN; UPDATE users SET email = 'c@example.com' WHERE external_id = 'x1'");
    let task = CreateCall::new(&app).key(&app.key).task("a", &["b@example.com"]);
    assert_eq!(task.result(&app).await, "OK");
    session.query("ROLLBACK");
}

/// A user who is created while the statement runs, by a command of an operator.
#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_that_meets_a_new_user_of_somebody_else_starts_again() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    let mut session = Session::open(app.database.url());
    session.query(&format!(
        "BEGIN; INSERT INTO users (tenant_id, email, first_name, last_name)
         VALUES ({}, 'a@example.com', 'Op', 'Erator')",
        app.tenant
    ));
    let waiting =
        tokio::spawn(async move { feeder.feed(&[user("x1", "a@example.com", "A")]).await });
    session.await_blocked(1);
    session.query("COMMIT");
    assert_eq!(waiting.await.unwrap()[0].0, Change::Updated);
    let row = "SELECT external_id, first_name FROM users WHERE email = 'a@example.com'";
    assert_eq!(app.database.query(row), "x1|A");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_users_take_one_round_trip_and_one_transaction() {
    let cluster = Cluster::temporary()
        .setting("shared_buffers", "16MB")
        .setting("log_statement", "all")
        .setting("log_line_prefix", "[%p] ")
        .start()
        .unwrap();
    // Without a server, so that nothing else is sent.
    let database = TestDatabase::create_on(&cluster).await;
    let store = database.open();
    let (tenant, _) = populate(&store, "Acme").await;
    let upserts = |count: usize| {
        let drafts = (0..count).map(|n| UserUpsertDraft {
            external_id: format!("x{n}"),
            email: format!("u{n}@example.com"),
            ..UserUpsertDraft::default()
        });
        UserUpserts::parse(drafts).unwrap()
    };
    // From here on the statement is prepared.
    let agent =
        CallAgent { key: KeyId::new(1).unwrap(), address: None, request_id: "a".to_owned() };
    store.upsert_users(tenant, &agent, &upserts(1), false).await.unwrap();
    let log = || fs::read_to_string(cluster.log_file()).unwrap();
    let before = log().len();
    assert_eq!(store.upsert_users(tenant, &agent, &upserts(500), false).await.unwrap().len(), 500);
    let log = log();
    let sent: Vec<_> = log[before..].lines().filter(|line| line.contains("LOG:")).collect();
    let statement = sent.iter().find(|line| line.contains("WITH entry AS")).unwrap();
    let (process, _) = statement.split_once(' ').unwrap();
    // The pool may be starting another session, which nothing was sent on yet, and checks a connection that it had
    // back: what a session was sent before that was not for the upsert.
    let of_session = sent.iter().filter(|line| line.starts_with(process));
    let since_check = of_session.rev().take_while(|line| !line.contains("current_setting"));
    let sent: Vec<_> = since_check.collect();
    let [statement] = sent[..] else { panic!("{sent:?}") };
    assert!(statement.contains("WITH entry AS"), "{statement}");
    let transactions = "SELECT count(DISTINCT xmin::text) FROM users WHERE external_id LIKE 'x%'";
    // The first user is older.
    assert_eq!(database.query(transactions), "2");
}
