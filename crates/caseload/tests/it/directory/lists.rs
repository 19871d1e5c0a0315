//! Lists of users.

use proto::directory::v1::{DeactivateUserRequest, ListUsersRequest, User};

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
