//! Calls whose deadline has passed: the response is DEADLINE_EXCEEDED, never CANCELLED, which some
//! proxies retry.

use std::{
    future::{Future as _, poll_fn},
    net::SocketAddr,
    pin::pin,
    task::Poll,
};

use domain::ApiKey;
use proto::tasks::v1::task_service_client::TaskServiceClient;
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tonic::{Code, Status, transport::Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt as _;

use crate::support::{
    App, Reply, Session, http_client,
    http2::{self, Frame},
    new_key,
};

/// The part of a call that reaches the server before the deadline.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Whole,
    /// The headers, but not the message.
    WithoutMessage,
}

/// Starts a proxy in front of the server, for one connection. Returns its address, and a channel
/// that gets a message for each HEADERS frame of the server, once that frame is sent to the client.
async fn proxy_to(server: SocketAddr, sent: Sent) -> (SocketAddr, mpsc::UnboundedReceiver<()>) {
    const FIRST_CALL: u32 = 1;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (seen, responses) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) =
            TcpStream::connect(server).await.unwrap().into_split();
        tokio::spawn(async move {
            let mut preface = [0; http2::PREFACE.len()];
            from_client.read_exact(&mut preface).await.unwrap();
            to_server.write_all(&preface).await.unwrap();
            while let Some(frame) = Frame::read(&mut from_client).await {
                let is_message = frame.kind() == http2::DATA && frame.stream() == FIRST_CALL;
                if !(is_message && sent == Sent::WithoutMessage) {
                    to_server.write_all(&frame.bytes).await.unwrap();
                }
            }
        });
        while let Some(frame) = Frame::read(&mut from_server).await {
            if to_client.write_all(&frame.bytes).await.is_err() {
                break;
            }
            if frame.kind() == http2::HEADERS {
                let _unwatched = seen.send(());
            }
        }
    });
    (addr, responses)
}

/// Creates a task with a deadline that is too short, and returns the server's status.
///
/// tonic's client has the same timeout, starts it earlier, and returns CANCELLED itself. So the
/// call is polled once, which sends it, and not again until the server's response has arrived. The
/// client runs on one thread of its own, where woken tasks run in the order in which they were
/// woken.
async fn status_of_a_late_call(app: &App, sent: Sent) -> Status {
    let server = app.grpc_addr;
    let mut request = app.one_task_request();
    request.metadata_mut().insert("grpc-timeout", "100m".parse().unwrap());
    let client = async move {
        let (addr, mut responses) = proxy_to(server, sent).await;
        let endpoint = Endpoint::try_from(format!("http://{addr}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        let mut client = TaskServiceClient::new(channel.clone());
        let mut call = pin!(client.batch_create_tasks(request));
        let first_poll = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
        assert!(first_poll.is_pending());
        responses.recv().await.unwrap();
        // Once this later response on the same connection was read, the first one was read too.
        HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
        call.await.unwrap_err()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::spawn_blocking(move || runtime.block_on(client)).await.unwrap()
}

/// Checks that a status is the service's own DEADLINE_EXCEEDED, with a reason and a request id.
#[track_caller]
fn assert_deadline_exceeded(status: &Status) {
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert!(status.metadata().contains_key("x-request-id"), "{status:?}");
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!((info.domain.as_str(), info.reason.as_str()), ("caseload", "DEADLINE_EXCEEDED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_past_its_deadline_gets_deadline_exceeded() {
    let app = App::start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");

    assert_deadline_exceeded(&status_of_a_late_call(&app, Sent::Whole).await);
}

/// The server's timeout starts with the headers of a call, not with its message.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_message_arrives_too_late_gets_deadline_exceeded() {
    let app = App::start().await;

    assert_deadline_exceeded(&status_of_a_late_call(&app, Sent::WithoutMessage).await);
}

/// A caller without a valid key can't make those of others look late, whose clock it names.
#[tokio::test(flavor = "multi_thread")]
async fn only_authenticated_callers_are_believed_when_they_say_when_a_call_was_sent() {
    let app = App::start().await;
    let mut client = app.grpc_client().await;
    let mut create = async |sent_at: &'static str, key: Option<ApiKey>| {
        let mut request = app.one_task_request();
        let metadata = request.metadata_mut();
        metadata.insert("caseload-sent-at", sent_at.parse().unwrap());
        metadata.insert("grpc-timeout", "5S".parse().unwrap());
        if let Some(key) = key {
            metadata.insert("authorization", format!("Bearer {}", key.expose()).parse().unwrap());
        }
        client.batch_create_tasks(request).await
    };
    let in_an_hour = "1:d693a400";
    assert_eq!(
        create(in_an_hour, Some(new_key())).await.unwrap_err().code(),
        Code::Unauthenticated
    );
    create("1:0", None).await.unwrap();
    // A caller is believed about its own clock.
    create("2:d693a400", None).await.unwrap();
    assert_deadline_exceeded(&create("2:0", None).await.unwrap_err());
}

/// A batch that is still in the queue at its deadline is withdrawn.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_deadline_passes_in_the_queue_creates_nothing() {
    let app = App::builder().server_args(&["--batches-per-statement", "1"]).start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    // Both writers are writing a batch.
    let running = [app.grpc_client().await, app.grpc_client().await].map(|mut client| {
        let request = app.one_task_request();
        tokio::spawn(async move { client.batch_create_tasks(request).await })
    });
    session.await_blocked(2);

    let status = status_of_a_late_call(&app, Sent::Whole).await;
    session.unlock();

    assert_deadline_exceeded(&status);
    for call in running {
        call.await.unwrap().unwrap();
    }
    // The queue is in order: once a later batch is written, no earlier one is left.
    let request = app.one_task_request();
    app.grpc_client().await.batch_create_tasks(request).await.unwrap();
    assert_eq!(app.row_counts(), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_responds_with_504_after_the_gateways_timeout() {
    let app = App::start().await;
    let http_addr = app.start_gateway(&["--upstream-timeout", "100ms"]).await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");

    let request = http_client()
        .request(Method::POST, format!("http://{http_addr}{}", app.batch_path()))
        .bearer_auth(app.key.expose())
        .json(&serde_json::json!({"tasks": [{"description": "a"}]}));
    let reply = Reply::of(request).await;
    session.unlock();

    assert_eq!(reply.status, 504);
    assert_eq!(reply.problem()["code"], "DEADLINE_EXCEEDED");
    assert_eq!(reply.violations(), ["DEADLINE_EXCEEDED -"]);
}
