//! A gRPC load that uses as little processor time as possible: messages are encoded beforehand, and
//! sent over plain HTTP/2.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use prost::Message as _;
use proto::tasks::v1::{BatchCreateTasksRequest, BatchCreateTasksResponse};
use tokio::{net::TcpStream, task::JoinSet, time::sleep};

use crate::{
    tally::{Count, Tally, Window},
    work::Batch,
};

/// The number of connections: that of a few client services, not one for each call.
const CONNECTIONS: usize = 4;

/// The short delay of a refused client.
const SHORT_PAUSE: Duration = Duration::from_millis(20);

/// How long a refused client waits before it sends the next batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryDelay {
    /// As long as `grpc-retry-pushback-ms` says.
    Pushback,
    /// [`SHORT_PAUSE`].
    Short,
}

/// Whether batches are sent with idempotency keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdempotencyKeys {
    None,
    /// A new one for each batch.
    New,
}

/// Sends batches from `concurrency` workers, each of which waits for a response before it sends the
/// next batch.
pub(crate) fn run(
    addr: SocketAddr,
    batches: &'static [Batch],
    keys: IdempotencyKeys,
    delay: RetryDelay,
    concurrency: usize,
    duration: Duration,
) -> Tally {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS.min(concurrency) {
            connections.push(connect(addr).await);
        }
        let window = Window::of(duration);
        let mut workers = JoinSet::new();
        for index in 0..concurrency {
            let connection = connections[index % connections.len()].clone();
            let first = index * batches.len() / concurrency;
            let turn = batches.iter().cycle().skip(first);
            workers.spawn(work(connection, addr, turn, (keys, delay), window));
        }
        let mut tally = Tally::new();
        for part in workers.join_all().await {
            tally.merge(&part);
        }
        tally.elapsed = window.duration();
        tally
    })
}

async fn connect(addr: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (client, connection) = h2::client::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 24)
        .handshake(stream)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

async fn work(
    connection: SendRequest<Bytes>,
    addr: SocketAddr,
    turn: impl Iterator<Item = &'static Batch>,
    (keys, delay): (IdempotencyKeys, RetryDelay),
    window: Window,
) -> Tally {
    let mut count = Count::new(window);
    for batch in turn {
        if window.is_over() {
            break;
        }
        let is_sampled = count.is_sampled();
        let sent = Instant::now();
        let message = match keys {
            IdempotencyKeys::None => batch.grpc.clone(),
            IdempotencyKeys::New => with_new_key(&batch.grpc),
        };
        match call(&connection, addr, batch, message).await {
            Ok(message) => {
                count.created(sent);
                if is_sampled {
                    let response = BatchCreateTasksResponse::decode(&message[5..]).unwrap();
                    assert!(
                        batch.matches(&response.tasks),
                        "the response does not match the batch"
                    );
                }
            }
            Err(pushback) => {
                count.refused(sent);
                let pause = match delay {
                    RetryDelay::Pushback => pushback,
                    RetryDelay::Short => SHORT_PAUSE,
                };
                sleep(pause.min(window.left())).await;
            }
        }
    }
    count.tally
}

/// Returns the message with a new idempotency key. A protobuf message may be extended by appending
/// fields.
fn with_new_key(message: &Bytes) -> Bytes {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let key = format!("bench-{:026x}", NEXT.fetch_add(1, Ordering::Relaxed));
    let only_the_key = BatchCreateTasksRequest { request_id: key, ..Default::default() };
    let mut bytes = BytesMut::with_capacity(message.len() + only_the_key.encoded_len());
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.len() - 5 + only_the_key.encoded_len()).unwrap());
    bytes.extend_from_slice(&message[5..]);
    only_the_key.encode(&mut bytes).unwrap();
    bytes.freeze()
}

/// Returns the response message, or, for a refused call, the delay that the server asks for.
async fn call(
    connection: &SendRequest<Bytes>,
    addr: SocketAddr,
    batch: &Batch,
    message: Bytes,
) -> Result<Bytes, Duration> {
    let request = http::Request::post(format!(
        "http://{addr}/caseload.tasks.v1.TaskService/BatchCreateTasks"
    ))
    .header("content-type", "application/grpc")
    .header("te", "trailers")
    .header("authorization", format!("Bearer {}", batch.key))
    .body(())
    .unwrap();
    let mut connection = connection.clone().ready().await.unwrap();
    let (response, mut stream) = connection.send_request(request, false).unwrap();
    stream.send_data(message, true).unwrap();
    let (head, mut body) = response.await.unwrap().into_parts();
    let pushback = head.headers.get("grpc-retry-pushback-ms");
    let mut message = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        message.extend_from_slice(&data);
    }
    match body.trailers().await.unwrap() {
        Some(trailers) if trailers["grpc-status"] == "0" => Ok(message.freeze()),
        Some(_) => panic!("a response that fails in its trailers"),
        None => {
            let millis = pushback
                .unwrap_or_else(|| panic!("neither a success nor a refusal: {:?}", head.headers));
            Err(Duration::from_millis(millis.to_str().unwrap().parse().unwrap()))
        }
    }
}
