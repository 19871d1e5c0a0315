//! Requests that are invalid by themselves, and what does not exist.

use proto::directory::v1::{
    CaseKey, CloseCaseRequest, DeactivateUserRequest, EraseUserRequest, GetCaseRequest,
    GetUserRequest, ListCasesRequest, ListUsersRequest, ReactivateUserRequest, UpsertCase,
    UpsertUser, UserKey, case_key, user_key,
};
use tonic::Status;
use tonic_types::StatusExt as _;

use super::{Feeder, by_email, by_external_id, user};
use crate::support::{App, code_and_reasons};

/// Returns the reason and the path of each violation.
pub(super) fn faults(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().map_or(Vec::new(), |b| b.field_violations);
    violations.into_iter().map(|fault| format!("{} {}", fault.reason, fault.field)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_form_is_reported_with_its_place() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    let long = "é".repeat(201);
    let users = [
        user("x", "a@example.com", "A"),
        user("x", "A@EXAMPLE.COM", &long),
        UpsertUser { external_id: long.clone(), ..UpsertUser::default() },
        UpsertUser { last_name: Some("\0".to_owned()), ..user("\0", "nobody", "A") },
        user("", "erased-1@erased.invalid", "A"),
    ];
    let status = feeder.try_feed(&users).await.unwrap_err();
    assert_eq!(
        faults(&status),
        [
            "DUPLICATE users[1].external_id",
            "DUPLICATE users[1].email",
            "TOO_LONG users[1].first_name",
            "TOO_LONG users[2].external_id",
            "REQUIRED users[2].email",
            "CONTAINS_NUL users[3].external_id",
            "INVALID_EMAIL users[3].email",
            "CONTAINS_NUL users[3].last_name",
            "INVALID_EMAIL users[4].email",
        ]
    );
    let many: Vec<_> = (0..501).map(|n| user("", &format!("{n}@example.com"), "A")).collect();
    assert_eq!(faults(&feeder.try_feed(&many).await.unwrap_err()), ["TOO_MANY users"]);
    assert_eq!(faults(&feeder.try_feed(&[]).await.unwrap_err()), ["REQUIRED users"]);

    let cases = [
        UpsertCase { name: "\0".to_owned(), team_id: Some(-1), ..UpsertCase::default() },
        UpsertCase {
            external_id: "x".to_owned(),
            description: Some("é".repeat(10_001)),
            priority: 5,
            status: -1,
            ..UpsertCase::default()
        },
        UpsertCase {
            external_id: "x".to_owned(),
            name: "A".to_owned(),
            team_id: Some(1 << 53),
            ..UpsertCase::default()
        },
    ];
    let status = feeder.try_feed_cases(&cases).await.unwrap_err();
    assert_eq!(
        faults(&status),
        [
            "REQUIRED cases[0].external_id",
            "CONTAINS_NUL cases[0].name",
            "NOT_POSITIVE cases[0].team_id",
            "REQUIRED cases[1].name",
            "TOO_LONG cases[1].description",
            "UNKNOWN_VALUE cases[1].priority",
            "UNKNOWN_VALUE cases[1].status",
            "DUPLICATE cases[2].external_id",
            "OUT_OF_RANGE cases[2].team_id",
        ]
    );
    assert_eq!(faults(&feeder.try_feed_cases(&[]).await.unwrap_err()), ["REQUIRED cases"]);
    // 500 cases with the longest descriptions are more than a message may have.
    let long = |n| UpsertCase {
        external_id: format!("x{n}"),
        name: "A".to_owned(),
        description: Some("d".repeat(10_000)),
        ..UpsertCase::default()
    };
    let many: Vec<_> = (0..500).map(long).collect();
    let status = feeder.try_feed_cases(&many).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "OUT_OF_RANGE MESSAGE_TOO_LARGE");
    assert_eq!(feeder.try_feed_cases(&many[..200]).await.unwrap().len(), 200);
    assert_eq!(app.database.query("SELECT count(*) FROM users"), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_exist_is_not_found_and_who_is_not_named_is_invalid() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    let id = |id: &str| Some(UserKey { key: Some(user_key::Key::Id(id.to_owned())) });
    const UNKNOWN: &str = "NOT_FOUND USER_NOT_FOUND";
    for (user, expected) in [
        (None, "INVALID_ARGUMENT REQUIRED user"),
        (Some(UserKey::default()), "INVALID_ARGUMENT REQUIRED user"),
        (id("0"), "INVALID_ARGUMENT NOT_POSITIVE user.id"),
        (id("x"), "INVALID_ARGUMENT NOT_POSITIVE user.id"),
        (by_email(""), "INVALID_ARGUMENT INVALID_EMAIL user.email"),
        (by_external_id(""), "INVALID_ARGUMENT REQUIRED user.external_id"),
        (id("9223372036854775807"), UNKNOWN),
        (by_email("nobody@example.com"), UNKNOWN),
        (by_external_id("nobody"), UNKNOWN),
    ] {
        let get = feeder.request(GetUserRequest { user: user.clone() });
        let deactivate = feeder.request(DeactivateUserRequest { user: user.clone() });
        let reactivate = feeder.request(ReactivateUserRequest { user: user.clone() });
        let erase = feeder.request(EraseUserRequest { user: user.clone() });
        let client = &mut feeder.client;
        for status in [
            client.get_user(get).await.map(drop).unwrap_err(),
            client.deactivate_user(deactivate).await.map(drop).unwrap_err(),
            client.reactivate_user(reactivate).await.map(drop).unwrap_err(),
            client.erase_user(erase).await.map(drop).unwrap_err(),
        ] {
            let path = faults(&status)
                .first()
                .map_or(String::new(), |fault| format!(" {}", fault.split_once(' ').unwrap().1));
            assert_eq!(code_and_reasons(&status) + &path, expected, "{user:?}");
        }
    }
    let id = |id| Some(CaseKey { key: Some(case_key::Key::Id(id)) });
    let external = |id: &str| Some(CaseKey { key: Some(case_key::Key::ExternalId(id.to_owned())) });
    for (case, expected) in [
        (None, "INVALID_ARGUMENT REQUIRED"),
        (id(-1), "INVALID_ARGUMENT NOT_POSITIVE"),
        (external(""), "INVALID_ARGUMENT REQUIRED"),
        (id(i64::MAX), "NOT_FOUND CASE_NOT_FOUND"),
        (external("x"), "NOT_FOUND CASE_NOT_FOUND"),
    ] {
        let get = feeder.request(GetCaseRequest { case: case.clone() });
        let close = feeder.request(CloseCaseRequest { case: case.clone() });
        let status = feeder.client.get_case(get).await.unwrap_err();
        assert_eq!(code_and_reasons(&status), expected, "{case:?}");
        let status = feeder.client.close_case(close).await.unwrap_err();
        assert_eq!(code_and_reasons(&status), expected, "{case:?}");
    }
    let list = ListUsersRequest {
        page_size: -1,
        page_token: "x".to_owned(),
        email: "x".to_owned(),
        external_id: "é".repeat(201),
        active: None,
    };
    let status = feeder.client.list_users(feeder.request(list)).await.unwrap_err();
    assert_eq!(
        faults(&status),
        [
            "OUT_OF_RANGE page_size",
            "INVALID_PAGE_TOKEN page_token",
            "INVALID_EMAIL email",
            "TOO_LONG external_id",
        ]
    );
    let list = ListCasesRequest {
        page_size: -1,
        page_token: "x".to_owned(),
        status: 3,
        updated_after: Some(proto::Timestamp { seconds: 0, nanos: -1 }),
    };
    let status = feeder.client.list_cases(feeder.request(list)).await.unwrap_err();
    assert_eq!(
        faults(&status),
        [
            "OUT_OF_RANGE page_size",
            "INVALID_PAGE_TOKEN page_token",
            "UNKNOWN_VALUE status",
            "INVALID_TIME updated_after",
        ]
    );
}
