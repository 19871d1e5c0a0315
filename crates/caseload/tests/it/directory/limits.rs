//! The limits that calls of the directory have for themselves.

use domain::Scope;
use proto::directory::v1::{ListCasesRequest, ListUsersRequest, UpsertCase, UpsertUser};
use tokio::task::JoinSet;
use tonic_types::StatusExt as _;

use super::{Feeder, user};
use crate::support::{App, CreateCall, Session, code_and_reasons, new_key};

/// The calls of one tenant at once.
const CALLS: usize = 8;

/// The advisory lock of a tenant's turn.
const CLASS: i32 = 0x6469_7265;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_makes_few_calls_at_once_and_leaves_room_for_others() {
    let app = App::start().await;
    let feeder = Feeder::new(&app).await;
    let (other, ..) = app.other_tenant().await;
    let key = new_key();
    app.store_key(other, &key, &[Scope::Admin], None).await;
    let mut other = Feeder::with_key(&app, key).await;
    let mut session = Session::open(app.database.url());
    session.query(&format!("SELECT pg_advisory_lock({CLASS}, {})", app.tenant));
    let mut running = JoinSet::new();
    for number in 0..=CALLS {
        let mut feeder = Feeder { client: feeder.client.clone(), key: feeder.key.clone() };
        running.spawn(async move {
            let users: [UpsertUser; 1] = [user("", &format!("u{number}@example.com"), "A")];
            feeder.try_feed(&users).await
        });
    }
    // All wait but the one beyond the limit.
    let status = running.join_next().await.unwrap().unwrap().unwrap_err();
    assert_eq!(code_and_reasons(&status), "RESOURCE_EXHAUSTED TENANT_OVER_SHARE");
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
    let mut reader = Feeder { client: feeder.client.clone(), key: feeder.key.clone() };
    let list = reader.client.list_users(feeder.request(ListUsersRequest::default()));
    let status = list.await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "RESOURCE_EXHAUSTED TENANT_OVER_SHARE");
    // Others feed their own users, and tasks are created by this tenant, too.
    other.feed(&[user("", "u@example.com", "A")]).await;
    let task = CreateCall::new(&app).key(&app.key).task("a", &["user1@example.com"]);
    assert_eq!(task.result(&app).await, "OK");
    session.query(&format!("SELECT pg_advisory_unlock({CLASS}, {})", app.tenant));
    let fed = running.join_all().await;
    assert_eq!(fed.len(), CALLS);
    assert!(fed.iter().all(Result::is_ok), "{fed:?}");
    let list = reader.client.list_users(feeder.request(ListUsersRequest::default()));
    assert_eq!(list.await.unwrap().into_inner().users.len(), CALLS + 3);
}

/// A message that reaches the limit of every field.
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_request_is_accepted_and_a_larger_one_is_not() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    let long = |letter: char| letter.to_string().repeat(200);
    let users: Vec<_> = (0..500)
        .map(|number| UpsertUser {
            external_id: format!("{number:03}{}", "\u{1f600}".repeat(197)),
            email: format!("{number:03}{}@example.com", "e".repeat(239)),
            first_name: Some(long('\u{1f600}')),
            last_name: Some(long('\u{1f601}')),
        })
        .collect();
    assert_eq!(feeder.feed(&users).await.len(), 500);
    let repeated = UpsertUser { first_name: Some("x".repeat(3 * 1024 * 1024)), ..users[0].clone() };
    let status = feeder.try_feed(&[repeated]).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "OUT_OF_RANGE MESSAGE_TOO_LARGE");
}

/// A client of the default settings takes a page of the largest cases.
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_page_of_cases_fits_into_a_response() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    let cases: Vec<_> = (0..100)
        .map(|number| UpsertCase {
            external_id: format!("{number:03}{}", "\u{1f600}".repeat(197)),
            name: "\u{1f600}".repeat(200),
            description: Some("\u{1f600}".repeat(10_000)),
            team_id: Some((1 << 53) - 1),
            ..UpsertCase::default()
        })
        .collect();
    for part in cases.chunks(40) {
        feeder.try_feed_cases(part).await.unwrap();
    }
    let case = app.case_id;
    app.database.query(&format!("DELETE FROM cases WHERE id = {case}"));
    let list = feeder.request(ListCasesRequest { page_size: 500, ..Default::default() });
    let list = feeder.client.list_cases(list).await.unwrap().into_inner();
    assert_eq!((list.cases.len(), list.next_page_token), (100, String::new()));
}
