//! What the server reads from the headers of a call, it does not read from its trailers.

use domain::Scope;
use h2::client;
use http::{HeaderMap, Request};
use prost::Message as _;
use proto::tasks::v1::BatchCreateTasksRequest;
use tonic::Code;

use crate::support::{App, new_task, raw_http::connect};

/// Makes a call with one API key in the headers, or none, and another one in the trailers. Returns
/// the headers or trailers that have the status.
async fn call_with_trailers(app: &App, header: Option<&str>, trailer: &str) -> HeaderMap {
    let (client, connection) = client::handshake(connect(app.grpc_addr).await).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let mut request = Request::post(format!(
        "http://{}/caseload.tasks.v1.TaskService/BatchCreateTasks",
        app.grpc_addr
    ))
    .header("content-type", "application/grpc")
    .header("te", "trailers");
    if let Some(key) = header {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let (response, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
    let message = BatchCreateTasksRequest {
        case_id: app.case_id,
        tasks: vec![new_task("a task", &[])],
        ..Default::default()
    }
    .encode_to_vec();
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    // A call without a valid key is rejected by its headers, so neither may come in time.
    let _rejected = body.send_data(frame.into(), false);
    let mut trailers = HeaderMap::new();
    trailers.insert("authorization", format!("Bearer {trailer}").parse().unwrap());
    let _rejected = body.send_trailers(trailers);

    let mut response = response.await.unwrap();
    if response.headers().contains_key("grpc-status") {
        return response.headers().clone();
    }
    while let Some(data) = response.body_mut().data().await {
        data.unwrap();
    }
    response.body_mut().trailers().await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_in_the_trailers_is_ignored() {
    let app = App::start().await;
    let good = app.key.expose().to_owned();
    let read_only = app.key_with(&[Scope::TasksRead]).await;
    let unknown = format!("cl_{}", "a".repeat(43));

    for (header, trailer, code) in [
        (None, good.as_str(), Code::Unauthenticated),
        (Some(unknown.as_str()), &good, Code::Unauthenticated),
        (Some(read_only.expose()), &good, Code::PermissionDenied),
        (Some(good.as_str()), &unknown, Code::Ok),
    ] {
        let headers = call_with_trailers(&app, header, trailer).await;
        assert_eq!(headers["grpc-status"], (code as i32).to_string(), "{header:?} {headers:?}");
    }
    assert_eq!(app.row_counts(), (1, 0));
}
