//! Request ids: taken over or made, and in every answer of both doors.

use std::collections::HashSet;

use proto::tasks::v1::BatchCreateTasksRequest;
use reqwest::Method;
use tonic::metadata::MetadataMap;

use crate::{
    support::create_call::new_task,
    support::{App, Reply, SAMPLE},
};

const ID: &str = "0af7651916cd43dd8448eb211c80319c/7:~";

/// A made id: a UUID.
fn assert_made(id: &str) {
    let groups: Vec<_> = id.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
    assert!(id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()), "{id}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_given_is_answered_by_whatever_answers() {
    let app = App::start().await;
    let longest = "a".repeat(128);
    for id in [ID, "x", &longest] {
        let nowhere = app.request(Method::POST, "/nowhere");
        let wrong_method = app.request(Method::GET, &app.batch_path());
        let no_json = app.post().body("{");
        let at_fault = app.post().body("{}");
        let no_key = app.request(Method::POST, &app.batch_path()).json(&());
        for (request, status) in
            [(nowhere, 404), (wrong_method, 405), (no_json, 400), (at_fault, 400), (no_key, 400)]
        {
            let reply = Reply::of(request.header("x-request-id", id)).await;
            assert_eq!(reply.status, status);
            assert_eq!(reply.header("x-request-id"), id);
            // Which is also checked to be the header's.
            reply.problem();
        }
        let created = Reply::of(app.post().body(SAMPLE).header("x-request-id", id)).await;
        assert_eq!((created.status.as_u16(), created.header("x-request-id")), (201, id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_unusable_or_missing_is_replaced() {
    let app = App::start().await;
    let too_long = "a".repeat(129);
    let mut made = HashSet::new();
    for ids in [
        &[][..],
        &[""],
        &["a b"],
        &["a\tb"],
        &["caf\u{e9}"],
        &[&too_long],
        &["one", "two"],
        &[ID, ID],
    ] {
        for body in [SAMPLE, "{}"] {
            let request =
                ids.iter().fold(app.post(), |request, id| request.header("x-request-id", *id));
            let reply = Reply::of(request.body(body)).await;
            assert_eq!(reply.headers.get_all("x-request-id").iter().count(), 1);
            assert_made(reply.header("x-request-id"));
            if body == "{}" {
                reply.problem();
            }
            made.insert(reply.header("x-request-id").to_owned());
        }
    }
    assert_eq!(made.len(), 16, "each is made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_answers_with_an_id_too() {
    let app = App::start().await;
    let mut client = app.grpc().await;
    let good = BatchCreateTasksRequest {
        case_id: app.case_id,
        tasks: vec![new_task("a", &[])],
        ..Default::default()
    };
    let bad = BatchCreateTasksRequest::default();
    for message in [good, bad] {
        for (ids, is_kept) in
            [(&[ID][..], true), (&[], false), (&[ID, ID], false), (&["a b"], false)]
        {
            let mut request = app.signed(message.clone());
            for id in ids {
                request.metadata_mut().append("x-request-id", id.parse().unwrap());
            }
            let metadata: MetadataMap = match client.batch_create_tasks(request).await {
                Ok(response) => response.metadata().clone(),
                Err(status) => status.metadata().clone(),
            };
            let answered: Vec<_> = metadata.get_all("x-request-id").iter().collect();
            assert_eq!(answered.len(), 1);
            let answered = answered[0].to_str().unwrap();
            if is_kept { assert_eq!(answered, ID) } else { assert_made(answered) }
        }
    }
}
