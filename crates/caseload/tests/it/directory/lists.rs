//! Lists of users and cases.

use proto::{
    cases::v1::CaseStatus,
    directory::v1::{
        CaseKey, CloseCaseRequest, DeactivateUserRequest, ListCasesRequest, ListUsersRequest,
        UpsertCase, User, case_key,
    },
};

use super::{Feeder, by_email, user};
use crate::support::App;

/// Returns the emails of a page, and the token of the next one.
async fn page(feeder: &mut Feeder, request: ListUsersRequest) -> (Vec<String>, String) {
    let request = feeder.request(request);
    let response = feeder.client.list_users(request).await.unwrap().into_inner();
    let emails = response.users.into_iter().map(|user: User| user.email);
    (emails.collect(), response.next_page_token)
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_listed_once_each_in_the_order_of_their_ids() {
    let app = App::start().await;
    app.other_tenant().await;
    let mut feeder = Feeder::new(&app).await;
    let users: Vec<_> = (0..230).map(|n| user("", &format!("u{n}@example.com"), "U")).collect();
    feeder.feed(&users).await;
    let expected = app
        .database
        .query(&format!("SELECT email FROM users WHERE tenant_id = {} ORDER BY id", app.tenant));
    let expected: Vec<_> = expected.lines().collect();
    for (page_size, pages) in [(0, vec![100, 100, 33]), (233, vec![233]), (1000, vec![233])] {
        let (mut all, mut sizes, mut page_token) = (Vec::new(), Vec::new(), String::new());
        loop {
            let request = ListUsersRequest { page_size, page_token, ..Default::default() };
            let (emails, next) = page(&mut feeder, request).await;
            sizes.push(emails.len());
            all.extend(emails);
            page_token = next;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!((all, sizes), (expected.iter().map(ToString::to_string).collect(), pages));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_combined() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    feeder.feed(&[user("x1", "a@example.com", "A"), user("", "b@example.com", "B")]).await;
    let request = feeder.request(DeactivateUserRequest { user: by_email("a@example.com") });
    feeder.client.deactivate_user(request).await.unwrap();
    let active = ["user1@example.com", "user2@example.com", "user3@example.com", "b@example.com"];
    for (email, external_id, active, expected) in [
        ("", "", Some(true), &active[..]),
        ("", "", Some(false), &["a@example.com"]),
        ("B@example.com", "", None, &["b@example.com"]),
        ("b@example.com", "", Some(false), &[]),
        ("", "x1", None, &["a@example.com"]),
        ("", "X1", None, &[]),
        ("a@example.com", "x1", Some(false), &["a@example.com"]),
        ("b@example.com", "x1", None, &[]),
        ("nobody@example.com", "", None, &[]),
    ] {
        let request = ListUsersRequest {
            email: email.to_owned(),
            external_id: external_id.to_owned(),
            active,
            ..Default::default()
        };
        let (emails, next) = page(&mut feeder, request).await;
        assert_eq!(emails, expected, "{email} {external_id} {active:?}");
        assert_eq!(next, "");
    }
    // A token belongs to its list.
    let request = ListUsersRequest { page_size: 1, active: Some(true), ..Default::default() };
    let (_, page_token) = page(&mut feeder, request.clone()).await;
    let (second, _) =
        page(&mut feeder, ListUsersRequest { page_token: page_token.clone(), ..request }).await;
    assert_eq!(second, ["user2@example.com"]);
    let other = ListUsersRequest { page_token, ..Default::default() };
    let status = feeder.client.list_users(feeder.request(other)).await.unwrap_err();
    assert_eq!(super::faults::faults(&status), ["INVALID_PAGE_TOKEN page_token"]);
}

/// Returns the external ids of a page of cases, and the token of the next one.
async fn page_of_cases(feeder: &mut Feeder, request: ListCasesRequest) -> (Vec<String>, String) {
    let request = feeder.request(request);
    let response = feeder.client.list_cases(request).await.unwrap().into_inner();
    let ids = response.cases.into_iter().map(|case| case.external_id);
    (ids.collect(), response.next_page_token)
}

fn case(external_id: &str) -> UpsertCase {
    let (external_id, name) = (external_id.to_owned(), "A case".to_owned());
    UpsertCase { external_id, name, ..UpsertCase::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_are_listed_once_each_with_the_callers_own_ids() {
    let app = App::start().await;
    app.other_tenant().await;
    let mut feeder = Feeder::new(&app).await;
    let cases: Vec<_> = (0..120).map(|n| case(&format!("c{n}"))).collect();
    feeder.try_feed_cases(&cases).await.unwrap();
    // The app's own case has none.
    let fed = cases.iter().map(|case| case.external_id.clone());
    let expected: Vec<_> = [String::new()].into_iter().chain(fed).collect();
    for (page_size, pages) in [(0, vec![100, 21]), (50, vec![50, 50, 21]), (101, vec![100, 21])] {
        let (mut all, mut sizes, mut page_token) = (Vec::new(), Vec::new(), String::new());
        loop {
            let request = ListCasesRequest { page_size, page_token, ..Default::default() };
            let (ids, next) = page_of_cases(&mut feeder, request).await;
            sizes.push(ids.len());
            all.extend(ids);
            page_token = next;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!((all, sizes), (expected.clone(), pages));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_are_listed_by_status_and_by_when_they_were_changed() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    let cases = ["a", "b", "c", "d"].map(case);
    let fed = feeder.try_feed_cases(&cases).await.unwrap();
    let fed_at = fed[0].case.as_ref().unwrap().updated_at;
    for external_id in ["c", "a"] {
        let key = case_key::Key::ExternalId(external_id.to_owned());
        let request = feeder.request(CloseCaseRequest { case: Some(CaseKey { key: Some(key) }) });
        feeder.client.close_case(request).await.unwrap();
    }
    let (open, closed) = (CaseStatus::Open.into(), CaseStatus::Closed.into());
    for (status, updated_after, expected) in [
        (open, None, &["", "b", "d"][..]),
        (closed, None, &["a", "c"]),
        // In the order of their changes.
        (0, fed_at, &["c", "a"]),
        (open, fed_at, &[]),
    ] {
        let request = ListCasesRequest { status, updated_after, ..Default::default() };
        let (ids, next) = page_of_cases(&mut feeder, request).await;
        assert_eq!(ids, expected, "{status} {updated_after:?}");
        assert_eq!(next, "");
    }
    // Page by page: three that were changed at the same time, and the others behind them.
    for (page_size, pages) in [(1, 5), (2, 3), (3, 2)] {
        let updated_after = Some(proto::Timestamp { seconds: 1, nanos: 0 });
        app.database.query("UPDATE cases SET updated_at = '2020-01-01' WHERE status = 'OPEN'");
        let (mut all, mut page_token) = (Vec::new(), String::new());
        for page in 1..=pages {
            let request =
                ListCasesRequest { page_size, page_token, updated_after, ..Default::default() };
            let (ids, next) = page_of_cases(&mut feeder, request).await;
            all.extend(ids);
            page_token = next;
            assert_eq!(page_token.is_empty(), page == pages, "{page}");
        }
        assert_eq!(all, ["", "b", "d", "c", "a"], "{page_size}");
    }
    // A token belongs to its list.
    let request = ListCasesRequest { page_size: 1, status: closed, ..Default::default() };
    let (_, page_token) = page_of_cases(&mut feeder, request.clone()).await;
    let second = ListCasesRequest { page_token: page_token.clone(), ..request };
    assert_eq!(page_of_cases(&mut feeder, second).await, (vec!["c".to_owned()], String::new()));
    let fed_at = Some(proto::Timestamp { seconds: 1, nanos: 0 });
    let changes = ListCasesRequest { page_size: 1, updated_after: fed_at, ..Default::default() };
    let (_, of_changes) = page_of_cases(&mut feeder, changes).await;
    for (page_token, updated_after) in
        [(page_token.clone(), fed_at), (of_changes, None), (page_token, None)]
    {
        let other = ListCasesRequest { page_token, updated_after, ..Default::default() };
        let status = feeder.client.list_cases(feeder.request(other)).await.unwrap_err();
        assert_eq!(super::faults::faults(&status), ["INVALID_PAGE_TOKEN page_token"]);
    }
}

/// Who follows changes finds each, also of cases that change during a walk.
#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_changes_during_a_walk_is_listed_again_behind_the_others() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    feeder.try_feed_cases(&["a", "b", "c"].map(case)).await.unwrap();
    let updated_after = Some(proto::Timestamp { seconds: 1, nanos: 0 });
    let request = ListCasesRequest { page_size: 2, updated_after, ..Default::default() };
    let (first, page_token) = page_of_cases(&mut feeder, request.clone()).await;
    assert_eq!(first, ["", "a"]);
    for external_id in ["b", "a"] {
        let key = case_key::Key::ExternalId(external_id.to_owned());
        let request = feeder.request(CloseCaseRequest { case: Some(CaseKey { key: Some(key) }) });
        feeder.client.close_case(request).await.unwrap();
    }
    let (second, page_token) =
        page_of_cases(&mut feeder, ListCasesRequest { page_token, ..request.clone() }).await;
    assert_eq!(second, ["c", "b"]);
    let (third, _) = page_of_cases(&mut feeder, ListCasesRequest { page_token, ..request }).await;
    assert_eq!(third, ["a"]);
}
