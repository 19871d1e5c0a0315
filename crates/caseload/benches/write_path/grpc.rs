//! A gRPC load that costs as little as it can: messages are encoded beforehand, on bare HTTP/2.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use prost::Message as _;
use proto::tasks::v1::BatchCreateTasksResponse;
use tokio::{net::TcpStream, task::JoinSet};

use crate::{
    tally::{Count, Tally, Window},
    work::Batch,
};

/// As a few client services would have; not one for each call.
const CONNECTIONS: usize = 4;

/// Sends batches, `concurrency` at a time, each as soon as the one before it is answered.
pub(crate) fn run(
    addr: SocketAddr,
    batches: &'static [Batch],
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
            workers.spawn(work(connection, addr, turn, window));
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
    window: Window,
) -> Tally {
    let mut count = Count::new(window);
    for batch in turn {
        if window.is_over() {
            break;
        }
        let is_sampled = count.is_sampled();
        let sent = Instant::now();
        match call(&connection, addr, batch).await {
            Some(message) => {
                count.created(sent);
                if is_sampled {
                    let answer = BatchCreateTasksResponse::decode(&message[5..]).unwrap();
                    assert!(batch.is_answered_by(&answer.tasks), "a wrong answer");
                }
            }
            None => count.tally.failed += 1,
        }
    }
    count.tally
}

/// The message that answers the batch, where its status is OK.
async fn call(connection: &SendRequest<Bytes>, addr: SocketAddr, batch: &Batch) -> Option<Bytes> {
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
    stream.send_data(batch.grpc.clone(), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let mut message = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        message.extend_from_slice(&data);
    }
    let trailers = body.trailers().await.unwrap()?;
    (trailers.get("grpc-status")? == "0").then(|| message.freeze())
}
