//! Time that is over: answered as DEADLINE_EXCEEDED, never as CANCELLED, which proxies take for
//! the caller's own wish and some send again.

use std::{
    future::{Future as _, poll_fn},
    net::SocketAddr,
    pin::pin,
    task::Poll,
};

use proto::tasks::v1::{BatchCreateTasksRequest, task_service_client::TaskServiceClient};
use reqwest::Method;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tonic::{Code, Status, transport::Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt as _;

use crate::{
    support::create_call::new_task,
    support::{App, Reply, Session, start_gateway_with},
};

/// What of the call reaches the server before its time is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Whole,
    /// Its headers, but not its message.
    WithoutMessage,
}

/// A frame of HTTP/2 (RFC 9113, 4.1).
struct Frame {
    bytes: Vec<u8>,
}

impl Frame {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;

    async fn read(from: &mut (impl AsyncRead + Unpin)) -> Option<Self> {
        let mut bytes = vec![0; 9];
        from.read_exact(&mut bytes).await.ok()?;
        let size = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize;
        bytes.resize(9 + size, 0);
        from.read_exact(&mut bytes[9..]).await.ok()?;
        Some(Self { bytes })
    }

    fn kind(&self) -> u8 {
        self.bytes[3]
    }

    fn stream(&self) -> u32 {
        u32::from_be_bytes([self.bytes[5], self.bytes[6], self.bytes[7], self.bytes[8]])
    }
}

/// A way to the server for one connection, on which it is seen that the server answers: there is
/// a signal for each frame of headers that it has sent, once that is on its way to the client.
async fn relay_to(server: SocketAddr, sent: Sent) -> (SocketAddr, mpsc::UnboundedReceiver<()>) {
    const PREFACE: usize = 24;
    const FIRST_CALL: u32 = 1;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (seen, answers) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) =
            TcpStream::connect(server).await.unwrap().into_split();
        tokio::spawn(async move {
            let mut preface = [0; PREFACE];
            from_client.read_exact(&mut preface).await.unwrap();
            to_server.write_all(&preface).await.unwrap();
            while let Some(frame) = Frame::read(&mut from_client).await {
                let is_message = frame.kind() == Frame::DATA && frame.stream() == FIRST_CALL;
                if !(is_message && sent == Sent::WithoutMessage) {
                    to_server.write_all(&frame.bytes).await.unwrap();
                }
            }
        });
        while let Some(frame) = Frame::read(&mut from_server).await {
            if to_client.write_all(&frame.bytes).await.is_err() {
                break;
            }
            if frame.kind() == Frame::HEADERS {
                let _unwatched = seen.send(());
            }
        }
    });
    (addr, answers)
}

fn one_task(case_id: i64) -> BatchCreateTasksRequest {
    BatchCreateTasksRequest { case_id, tasks: vec![new_task("a", &[])], ..Default::default() }
}

/// Creates a task within a time that is too short, and returns what the server says at its end.
///
/// tonic's client keeps the same time, starts it earlier, and says CANCELLED itself. So that the
/// server is heard, the call is sent and then not looked at until the server's answer is there.
/// The client has one thread of its own, on which tasks that are woken run in that order.
async fn answer_to_a_late_call(app: &App, sent: Sent) -> Status {
    let server = app.grpc_addr;
    let mut request = app.signed(one_task(app.case_id));
    request.metadata_mut().insert("grpc-timeout", "100m".parse().unwrap());
    let client = async move {
        let (addr, mut answers) = relay_to(server, sent).await;
        let endpoint = Endpoint::try_from(format!("http://{addr}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        let mut client = TaskServiceClient::new(channel.clone());
        let mut call = pin!(client.batch_create_tasks(request));
        let first_look = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
        assert!(first_look.is_pending());
        answers.recv().await.unwrap();
        // What comes later on the same connection is read later.
        HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
        call.await.unwrap_err()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::spawn_blocking(move || runtime.block_on(client)).await.unwrap()
}

/// The answer is the service's own, as any other: with a reason and a request id.
#[track_caller]
fn assert_is_late(status: &Status) {
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert!(status.metadata().contains_key("x-request-id"), "{status:?}");
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!((info.domain.as_str(), info.reason.as_str()), ("caseload", "DEADLINE_EXCEEDED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_time_is_over_is_answered_as_deadline_exceeded() {
    let app = App::start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");

    assert_is_late(&answer_to_a_late_call(&app, Sent::Whole).await);
}

/// The server's time begins with the headers of a call, not with its message.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_message_does_not_come_in_time_is_answered_as_deadline_exceeded() {
    let app = App::start().await;

    assert_is_late(&answer_to_a_late_call(&app, Sent::WithoutMessage).await);
}

/// A batch that is not yet at hand when its time is over is withdrawn: nobody waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_time_is_over_while_it_waits_creates_nothing() {
    let app = App::builder().server_args(&["--batches-per-statement", "1"]).start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    // Both writers have a batch at hand.
    let at_hand = [app.grpc().await, app.grpc().await].map(|mut client| {
        let request = app.signed(one_task(app.case_id));
        tokio::spawn(async move { client.batch_create_tasks(request).await })
    });
    session.await_blocked(2);

    let status = answer_to_a_late_call(&app, Sent::Whole).await;
    session.unlock();

    assert_is_late(&status);
    for call in at_hand {
        call.await.unwrap().unwrap();
    }
    // Batches are taken in order: a later one that is written shows that no other waits.
    let request = app.signed(one_task(app.case_id));
    app.grpc().await.batch_create_tasks(request).await.unwrap();
    assert_eq!(app.row_counts(), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_answers_504_where_the_gateways_patience_is_over() {
    let app = App::start().await;
    let args = ["--upstream-timeout", "100ms"];
    let http_addr = start_gateway_with(app.grpc_addr, &args, &app.ending).await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");

    let request = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = request
        .request(Method::POST, format!("http://{http_addr}{}", app.batch_path()))
        .bearer_auth(app.key.expose())
        .json(&serde_json::json!({"tasks": [{"description": "a"}]}));
    let reply = Reply::of(request).await;
    session.unlock();

    assert_eq!(reply.status, 504);
    assert_eq!(reply.problem()["code"], "DEADLINE_EXCEEDED");
    assert_eq!(reply.faults(), ["DEADLINE_EXCEEDED -"]);
}
