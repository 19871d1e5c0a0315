//! A gRPC load that uses as little processor time as possible: messages are encoded beforehand, and
//! sent over plain HTTP/2.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message as _;
use proto::tasks::v1::{BatchCreateTasksRequest, BatchCreateTasksResponse};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    load::{
        http2::{self, Client},
        tally::{Count, Tally, Window},
    },
    work::Batch,
};

/// The method that is called.
const METHOD: &str = "BatchCreateTasks";

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
            connections.push(http2::connect(addr).await);
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

async fn work(
    connection: Client,
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
        match http2::call(&connection, addr, METHOD, &batch.key, message).await {
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
