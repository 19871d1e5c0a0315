//! The creation of cases, with and without tasks.

use proto::cases::v1::{CaseStatus, CreateCaseRequest, GetCaseRequest, NewCase, Priority};
use reqwest::Method;
use serde_json::json;

use super::{CASES, Client, stable};
use crate::support::{App, code_and_reasons, new_task};

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_created_with_its_tasks_and_found_again() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let body = json!({
        "name": " Suspicious sign-ins\n",
        "description": "\u{2003}From two countries ",
        "priority": "CRITICAL",
        "status": "CLOSED",
        "team_id": 9_007_199_254_740_991_i64,
        "tasks": [
            {"description": " Call back ", "assignee_emails": ["USER2@example.com", "user1@example.com"]},
            {"description": "Close"},
        ],
    });
    let created = client.send(Method::POST, CASES, &body).await;
    assert_eq!(created.status, 201, "{created:?}");
    let id = created.body["case_id"].as_i64().unwrap();
    let mut case = created.body.clone();
    let tasks = case.as_object_mut().unwrap().remove("tasks").unwrap();
    let expected = json!({
        "name": "Suspicious sign-ins",
        "description": "From two countries",
        "priority": "CRITICAL",
        "status": "CLOSED",
        "team_id": 9_007_199_254_740_991_i64,
    });
    assert_eq!(stable(&case), expected);
    assert_eq!(case["created_at"], case["updated_at"]);
    let path = format!("{CASES}/{id}");
    let url = format!("http://{}{path}", app.http_addr);
    assert_eq!(created.header("location"), url);

    let found = client.get(&path).await;
    assert_eq!((found.status.as_u16(), &found.body), (200, &case));
    assert_eq!(found.header("etag"), created.header("etag"));
    assert_ne!(found.header("etag"), "");
    let of_case = client.get(&format!("{path}/tasks")).await;
    assert_eq!(of_case.body["tasks"], tasks);
    assert_eq!(tasks[0]["description"], "Call back");
    let emails = tasks[0]["assignees"].as_array().unwrap().iter().map(|user| &user["email"]);
    assert_eq!(emails.collect::<Vec<_>>(), ["user2@example.com", "user1@example.com"]);
    assert_eq!(tasks[1]["assignees"], json!([]));
    assert_eq!(tasks[0]["created_at"], case["created_at"]);

    let got = client.grpc().await.get_case(client.with_key(GetCaseRequest { case_id: id })).await;
    let got = got.unwrap().into_inner().case.unwrap();
    assert_eq!((got.id, got.name.as_str()), (id, "Suspicious sign-ins"));
    assert_eq!((got.priority(), got.status()), (Priority::Critical, CaseStatus::Closed));
    assert_eq!((got.team_id, got.etag.as_str()), (9_007_199_254_740_991, found.header("etag")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_absent_or_null_has_its_default() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    for body in [
        json!({"name": "a"}),
        json!({
            "name": "a", "description": null, "priority": null, "status": null, "team_id": null,
            "tasks": null,
        }),
        json!({"name": "a", "description": " ", "tasks": []}),
    ] {
        let created = client.send(Method::POST, CASES, &body).await;
        assert_eq!(created.status, 201, "{created:?}");
        let expected = json!({
            "name": "a", "description": "", "priority": "LOW", "status": "OPEN", "team_id": null,
            "tasks": [],
        });
        assert_eq!(stable(&created.body), expected, "{body}");
    }
    let case = Some(NewCase { name: "a".to_owned(), ..Default::default() });
    let request = CreateCaseRequest { case, ..Default::default() };
    let created = client.grpc().await.create_case(client.with_key(request)).await.unwrap();
    let case = created.into_inner().case.unwrap();
    assert_eq!(
        (case.priority(), case.status(), case.team_id),
        (Priority::Low, CaseStatus::Open, 0)
    );
    // A case without tasks has no events.
    let events =
        "SELECT (SELECT count(*) FROM creation_events), (SELECT count(*) FROM task_events)";
    assert_eq!(app.database.query(events), "0|0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_may_have_as_much_as_a_batch_and_no_more() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let emails = ["user1@example.com", "user2@example.com", "user3@example.com"];
    let task = json!({"description": "x".repeat(10_000), "assignee_emails": emails});
    let body = |tasks: usize| json!({"name": "é".repeat(200), "description": "é".repeat(10_000), "tasks": vec![&task; tasks]});
    let created = client.send(Method::POST, CASES, &body(25)).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(app.row_counts(), (25, 75));
    let refused = client.send(Method::POST, CASES, &body(26)).await;
    assert_eq!(refused.violations(), ["TOO_MANY /tasks"]);
    assert_eq!(app.row_counts(), (25, 75));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_wrong_is_reported_and_nothing_is_created() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let body = json!({
        "name": " ",
        "description": "a\0b",
        "priority": "low",
        "status": "CLOSE",
        "team_id": -1,
        "tasks": [{"description": ""}, {"description": "a", "assignee_emails": ["a@b", "x"]}],
    });
    let refused = client.send(Method::POST, CASES, &body).await;
    assert_eq!(
        (refused.status.as_u16(), refused.violations()),
        (
            400,
            [
                "REQUIRED /name",
                "CONTAINS_NUL /description",
                "UNKNOWN_VALUE /priority",
                "UNKNOWN_VALUE /status",
                "NOT_POSITIVE /team_id",
                "REQUIRED /tasks/0/description",
                "INVALID_EMAIL /tasks/1/assignee_emails/1",
            ]
            .map(str::to_owned)
            .to_vec()
        )
    );
    let unknown = json!({"name": "a", "tasks": [
        {"description": "a", "assignee_emails": ["user1@example.com", "nobody@example.com"]},
        {"description": "b", "assignee_emails": ["no-one@example.com"]},
    ]});
    let refused = client.send(Method::POST, CASES, &unknown).await;
    let violations =
        ["UNKNOWN_USER /tasks/0/assignee_emails/1", "UNKNOWN_USER /tasks/1/assignee_emails/0"];
    assert_eq!(refused.violations(), violations);
    for (body, violation) in [
        (json!({"name": "a", "tag_names": []}), "UNKNOWN_MEMBER /tag_names"),
        (json!({"name": "a", "case": {}}), "UNKNOWN_MEMBER /case"),
        (json!({"name": "a", "team_id": "1"}), "WRONG_TYPE /team_id"),
        (json!({"name": "a", "priority": 1}), "WRONG_TYPE /priority"),
        (json!({"name": "a", "tasks": [[]]}), "WRONG_TYPE /tasks/0"),
        (json!({"name": "x".repeat(201)}), "TOO_LONG /name"),
        (json!({"name": "a", "team_id": 9_007_199_254_740_992_i64}), "OUT_OF_RANGE /team_id"),
    ] {
        let refused = client.send(Method::POST, CASES, &body).await;
        assert_eq!(
            (refused.status.as_u16(), refused.violations()),
            (400, vec![violation.to_owned()])
        );
    }

    let case = NewCase {
        priority: 5,
        team_id: Some(0),
        tasks: vec![new_task("a", &["x"])],
        ..Default::default()
    };
    let request = CreateCaseRequest { case: Some(case), ..Default::default() };
    let status = client.grpc().await.create_case(client.with_key(request)).await.unwrap_err();
    assert_eq!(
        code_and_reasons(&status),
        "INVALID_ARGUMENT REQUIRED UNKNOWN_VALUE NOT_POSITIVE INVALID_EMAIL"
    );
    assert_eq!(app.row_counts(), (0, 0));
    assert_eq!(app.database.query("SELECT count(*) FROM cases"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_reports_what_would_be_and_creates_nothing() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let path = format!("{CASES}?validate_only=true");
    let body = json!({"name": " a ", "tasks": [
        {"description": " b ", "assignee_emails": ["USER2@example.com"]},
    ]});
    let tried = client.send(Method::POST, &path, &body).await;
    let user2 = app.database.query("SELECT id FROM users WHERE email = 'user2@example.com'");
    let expected = json!({
        "name": "a", "description": "", "priority": "LOW", "status": "OPEN", "team_id": null,
        "tasks": [{"description": "b", "completed": false, "assignees": [{
            "id": user2, "email": "user2@example.com", "first_name": "Jane", "last_name": "Smith",
        }]}],
    });
    assert_eq!((tried.status.as_u16(), &tried.body), (200, &expected));
    assert_eq!((tried.header("etag"), tried.header("location")), ("", ""));
    let unknown = json!({"name": "a", "tasks": [
        {"description": "b", "assignee_emails": ["nobody@example.com"]},
    ]});
    let refused = client.send(Method::POST, &path, &unknown).await;
    assert_eq!(refused.violations(), ["UNKNOWN_USER /tasks/0/assignee_emails/0"]);
    assert_eq!(app.row_counts(), (0, 0));
    assert_eq!(app.database.query("SELECT count(*) FROM cases"), "1");
}
