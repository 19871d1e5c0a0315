//! Request ids (`x-request-id`): accepted or generated, and part of every response over gRPC and
//! REST.

use std::collections::HashSet;

use proto::tasks::v1::BatchCreateTasksRequest;
use reqwest::Method;
use tonic::metadata::MetadataMap;

use crate::support::{App, Reply, SAMPLE, new_task};

/// A valid id.
const ID: &str = "0af7651916cd43dd8448eb211c80319c/7:~";

/// Checks that an id was generated: it is a UUID.
fn assert_generated(id: &str) {
    let groups: Vec<_> = id.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
    assert!(id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()), "{id}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_id_is_returned_by_every_response() {
    let app = App::start().await;
    let longest = "a".repeat(128);
    for id in [ID, "x", &longest] {
        let unknown_path = app.request(Method::POST, "/nowhere");
        let wrong_method = app.request(Method::GET, &app.batch_path());
        let not_json = app.post().body("{");
        let no_tasks = app.post().body("{}");
        let no_key = app.request(Method::POST, &app.batch_path()).json(&());
        for (request, status) in [
            (unknown_path, 404),
            (wrong_method, 405),
            (not_json, 400),
            (no_tasks, 400),
            (no_key, 400),
        ] {
            let reply = Reply::of(request.header("x-request-id", id)).await;
            assert_eq!(reply.status, status);
            assert_eq!(reply.header("x-request-id"), id);
            // Also checks that the document has the same id.
            reply.problem();
        }
        let created = Reply::of(app.post().body(SAMPLE).header("x-request-id", id)).await;
        assert_eq!((created.status.as_u16(), created.header("x-request-id")), (201, id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_unusable_id_is_replaced() {
    let app = App::start().await;
    let too_long = "a".repeat(129);
    let mut generated = HashSet::new();
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
            assert_generated(reply.header("x-request-id"));
            if body == "{}" {
                reply.problem();
            }
            generated.insert(reply.header("x-request-id").to_owned());
        }
    }
    assert_eq!(generated.len(), 16, "each is generated anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_responses_have_an_id_too() {
    let app = App::start().await;
    let mut client = app.grpc_client().await;
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
            let mut request = app.with_key(message.clone());
            for id in ids {
                request.metadata_mut().append("x-request-id", id.parse().unwrap());
            }
            let metadata: MetadataMap = match client.batch_create_tasks(request).await {
                Ok(response) => response.metadata().clone(),
                Err(status) => status.metadata().clone(),
            };
            let ids: Vec<_> = metadata.get_all("x-request-id").iter().collect();
            assert_eq!(ids.len(), 1);
            let id = ids[0].to_str().unwrap();
            if is_kept { assert_eq!(id, ID) } else { assert_generated(id) }
        }
    }
}
