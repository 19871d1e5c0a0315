//! One task: created, read, changed, deleted.

use proto::{
    FieldMask,
    tasks::v1::{
        CreateTaskRequest, DeleteTaskRequest, GetTaskRequest, NewTask, TaskUpdate,
        UpdateTaskRequest,
    },
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, emails, of};
use crate::support::{App, Reply, code_and_reasons};

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_created_read_changed_and_deleted_over_rest() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (task, etag) =
        client.create(" Call back ", &["User2@example.com", "user1@example.com"]).await;
    assert_eq!(task["description"], "Call back");
    assert_eq!(task["completed"], false);
    assert_eq!(emails(&task), ["user2@example.com", "user1@example.com"]);
    assert_eq!(task["created_at"], task["updated_at"]);
    let members: Vec<_> = task.as_object().unwrap().keys().collect();
    let documented = ["assignees", "completed", "created_at", "description", "id", "updated_at"];
    assert_eq!(members, documented);

    let path = client.path(&of(&task));
    let read = client.get(&path).await;
    assert_eq!((read.status.as_u16(), &read.body["task"]), (200, &task));
    assert_eq!((read.header("etag"), read.header("cache-control")), (etag.as_str(), "no-store"));
    let head = client.request(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["etag"], etag.as_str());

    let changed = client.send(Method::PUT, &path, &json!({"completed": true})).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.body["task"]["completed"], true);
    assert_eq!(changed.body["task"]["description"], "Call back");
    assert_eq!(changed.body["task"]["assignees"], task["assignees"]);
    assert_ne!(changed.header("etag"), etag);
    let read = client.get(&path).await;
    assert_eq!(read.body, changed.body);

    let deleted = Reply::of(client.request(Method::DELETE, &path)).await;
    assert_eq!(
        (deleted.status.as_u16(), &deleted.body),
        (200, &json!({"destroyed_id": task["id"].to_string()}))
    );
    for method in [Method::GET, Method::DELETE] {
        let gone = Reply::of(client.request(method, &path)).await;
        assert_eq!(
            (gone.status.as_u16(), gone.violations()),
            (404, vec!["TASK_NOT_FOUND -".to_owned()])
        );
        gone.problem();
    }
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_created_task_has_a_location_as_the_proxy_says_that_the_caller_knows_it() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let create =
        || client.request(Method::POST, &client.path("")).json(&json!({"description": "a"}));
    let here = Reply::of(create()).await;
    let path = client.path(&of(&here.body["task"]));
    assert_eq!(here.header("location"), format!("http://{}{path}", app.http_addr));
    // Loopback is a trusted proxy, unless the options say otherwise.
    let proxied = create().header("x-forwarded-proto", "https");
    let there = Reply::of(proxied.header("x-forwarded-host", "api.example")).await;
    let path = client.path(&of(&there.body["task"]));
    assert_eq!(there.header("location"), format!("https://api.example{path}"));
}

/// What is ignored may have been meant to protect the caller.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_effect_on_a_call_is_rejected() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (task, etag) = client.create("a", &[]).await;
    let path = client.path(&of(&task));
    let ids = json!({"task_ids": [task["id"]]});
    for (request, violation) in [
        (client.request(Method::GET, &format!("{path}?x=1")), "UNKNOWN_PARAMETER -"),
        (
            client.request(Method::DELETE, &format!("{path}?validate_only=true")),
            "UNKNOWN_PARAMETER -",
        ),
        (
            client.request(Method::DELETE, &client.path("/batch?validate_only=true")).json(&ids),
            "UNKNOWN_PARAMETER -",
        ),
        (
            client
                .request(Method::DELETE, &client.path("/batch"))
                .header("if-match", &etag)
                .json(&ids),
            "IF_MATCH_NOT_SUPPORTED -",
        ),
        (
            client
                .request(Method::PUT, &client.path("/batch"))
                .header("if-match", &etag)
                .json(&json!({"tasks": [{"id": task["id"], "completed": true}]})),
            "IF_MATCH_NOT_SUPPORTED -",
        ),
    ] {
        let reply = Reply::of(request).await;
        assert_eq!((reply.status.as_u16(), reply.violations()), (400, vec![violation.to_owned()]));
    }
    assert_eq!(client.get(&path).await.body["task"], task);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_sets_what_it_has_and_leaves_the_rest() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (task, first) = client.create("a", &["user1@example.com", "user2@example.com"]).await;
    let path = client.path(&of(&task));
    let put = async |body: Value| client.send(Method::PUT, &path, &body).await;

    // Nothing changes, so updated_at and the tag stay.
    for body in [
        json!({}),
        json!({"description": null, "completed": null, "assignee_emails": null}),
        json!({"description": " a ", "completed": false}),
        json!({"assignee_emails": ["USER1@example.com", "user2@example.com", "user1@example.com"]}),
    ] {
        let reply = put(body.clone()).await;
        assert_eq!((reply.status.as_u16(), &reply.body["task"]), (200, &task), "{body}");
        assert_eq!(reply.header("etag"), first, "{body}");
    }
    let mut last = first;
    for (body, description, completed, assignees) in [
        (json!({"description": "b"}), "b", false, &["user1@example.com", "user2@example.com"][..]),
        (json!({"completed": true}), "b", true, &["user1@example.com", "user2@example.com"]),
        (json!({"completed": false}), "b", false, &["user1@example.com", "user2@example.com"]),
        // The order counts.
        (
            json!({"assignee_emails": ["user2@example.com", "user1@example.com"]}),
            "b",
            false,
            &["user2@example.com", "user1@example.com"],
        ),
        (json!({"assignee_emails": ["user3@example.com"]}), "b", false, &["user3@example.com"]),
        (json!({"assignee_emails": []}), "b", false, &[]),
    ] {
        let reply = put(body.clone()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let changed = &reply.body["task"];
        assert_eq!(
            (&changed["description"], &changed["completed"]),
            (&json!(description), &json!(completed))
        );
        assert_eq!(emails(changed), assignees, "{body}");
        assert_ne!(reply.header("etag"), last, "{body}");
        reply.header("etag").clone_into(&mut last);
        assert_eq!(client.get(&path).await.body, reply.body, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_a_change_have_their_places() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (task, etag) = client.create("a", &["user1@example.com"]).await;
    let path = client.path(&of(&task));
    for (body, status, violations) in [
        (json!({"description": ""}), 400, &["REQUIRED /description"][..]),
        (
            json!({"description": "a\0", "assignee_emails": ["user1@example.com", "x"]}),
            400,
            &["CONTAINS_NUL /description", "INVALID_EMAIL /assignee_emails/1"],
        ),
        (
            json!({"completed": true, "assignee_emails": ["nobody@example.com", "user1@example.com", "n@example.com"]}),
            400,
            &["UNKNOWN_USER /assignee_emails/0", "UNKNOWN_USER /assignee_emails/2"],
        ),
        (json!({"completed": "true"}), 400, &["WRONG_TYPE /completed"]),
        (json!({"done": true}), 400, &["UNKNOWN_MEMBER /done"]),
        (json!({"id": 1}), 400, &["UNKNOWN_MEMBER /id"]),
    ] {
        let reply = client.send(Method::PUT, &path, &body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.violations()),
            (status, violations.iter().map(ToString::to_string).collect()),
            "{body}"
        );
        reply.problem();
    }
    // A task of another case, or none, is not found; nor is a malformed id.
    let other = app.admin.create_case(app.tenant, "Another".to_owned()).await.unwrap();
    for path in [
        format!("/api/v2/cases/{}/tasks/{}", other.id, task["id"]),
        client.path("/4000000000"),
        client.path("/0"),
        client.path("/x"),
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let request = client.request(method.clone(), &path).json(&json!({}));
            let reply = Reply::of(request).await;
            assert_eq!(
                (reply.status.as_u16(), reply.violations()),
                (404, vec!["TASK_NOT_FOUND -".to_owned()]),
                "{method} {path}"
            );
        }
    }
    assert_eq!(client.get(&path).await.header("etag"), etag);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_precondition_protects_what_another_caller_has_changed() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (task, first) = client.create("a", &[]).await;
    let path = client.path(&of(&task));
    let put = async |if_match: &str, body: Value| {
        Reply::of(client.request(Method::PUT, &path).header("if-match", if_match).json(&body)).await
    };
    let second = put(&first, json!({"completed": true})).await;
    assert_eq!(second.status, 200);
    let second = second.header("etag").to_owned();
    for stale in [first.clone(), format!("W/{second}"), "\"x\"".to_owned(), "x".to_owned()] {
        let reply = put(&stale, json!({"description": "lost"})).await;
        assert_eq!(
            (reply.status.as_u16(), reply.violations()),
            (412, vec!["ETAG_MISMATCH -".to_owned()]),
            "{stale}"
        );
        assert_eq!(reply.problem()["code"], "ABORTED");
        let delete = client.request(Method::DELETE, &path).header("if-match", &stale);
        assert_eq!(Reply::of(delete).await.status, 412, "{stale}");
    }
    assert_eq!(client.get(&path).await.header("etag"), second);
    for fresh in [format!("{first}, {second}"), "*".to_owned()] {
        assert_eq!(put(&fresh, json!({})).await.status, 200, "{fresh}");
    }
    let delete = client.request(Method::DELETE, &path).header("if-match", &second);
    assert_eq!(Reply::of(delete).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_created_read_changed_and_deleted_over_grpc() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let mut grpc = app.grpc_client().await;
    let case_id = app.case_id;
    let new = NewTask {
        description: "a".to_owned(),
        assignee_emails: vec!["user1@example.com".to_owned()],
    };
    let request = CreateTaskRequest { case_id, task: Some(new), ..Default::default() };
    let created =
        grpc.create_task(client.with_key(request)).await.unwrap().into_inner().task.unwrap();
    assert_eq!((created.case_id, created.assignees.len()), (case_id, 1));
    let get = GetTaskRequest { case_id, task_id: created.id };
    let read = grpc.get_task(client.with_key(get)).await.unwrap().into_inner().task;
    assert_eq!(read.as_ref(), Some(&created));

    let mask =
        |paths: &[&str]| Some(FieldMask { paths: paths.iter().map(ToString::to_string).collect() });
    let mut update = async |task: TaskUpdate| {
        let task = Some(TaskUpdate { id: created.id, ..task });
        let request = UpdateTaskRequest { case_id, task, validate_only: false };
        let response = grpc.update_task(client.with_key(request)).await;
        response
            .map(|response| response.into_inner().task.unwrap())
            .map_err(|status| code_and_reasons(&status))
    };
    // Without a mask, the fields that have a value are set; with one, those that it names.
    let changed = update(TaskUpdate { completed: Some(true), ..Default::default() }).await.unwrap();
    assert!(changed.completed && changed.updated_at != created.updated_at);
    assert_eq!(changed.assignees, created.assignees);
    let masked = TaskUpdate {
        description: Some("b".to_owned()),
        update_mask: mask(&["completed", "assignee_emails"]),
        ..Default::default()
    };
    let cleared = update(masked).await.unwrap();
    assert!(!cleared.completed && cleared.assignees.is_empty());
    assert_eq!(cleared.description, "a");
    for (task, result) in [
        (
            TaskUpdate { update_mask: mask(&["id"]), ..Default::default() },
            "INVALID_ARGUMENT INVALID_MASK",
        ),
        (
            TaskUpdate { update_mask: mask(&["*"]), ..Default::default() },
            "INVALID_ARGUMENT REQUIRED",
        ),
        (TaskUpdate { etag: created.etag.clone(), ..Default::default() }, "ABORTED ETAG_MISMATCH"),
    ] {
        assert_eq!(update(task).await, Err(result.to_owned()));
    }

    let delete = DeleteTaskRequest { case_id, task_id: created.id, etag: cleared.etag };
    grpc.delete_task(client.with_key(delete.clone())).await.unwrap();
    let status = grpc.delete_task(client.with_key(delete)).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "NOT_FOUND TASK_NOT_FOUND");
}
