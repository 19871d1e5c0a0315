//! A REST load that uses as little processor time as possible: requests are encoded beforehand, and
//! sent over plain HTTP/1.1.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use proto::tasks::v1::{Assignee, Task};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    tally::{Count, Tally, Window},
    work::Batch,
};

/// Sends batches over `concurrency` connections, each of which waits for a response before it sends
/// the next batch.
pub(crate) fn run(
    addr: SocketAddr,
    batches: &'static [Batch],
    concurrency: usize,
    duration: Duration,
) -> Tally {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connections = Vec::new();
        for _ in 0..concurrency {
            let stream = TcpStream::connect(addr).await.unwrap();
            stream.set_nodelay(true).unwrap();
            connections.push(stream);
        }
        let window = Window::of(duration);
        let mut workers = JoinSet::new();
        for (index, stream) in connections.into_iter().enumerate() {
            let first = index * batches.len() / concurrency;
            workers.spawn(work(stream, batches.iter().cycle().skip(first), window));
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
    mut stream: TcpStream,
    turn: impl Iterator<Item = &'static Batch>,
    window: Window,
) -> Tally {
    let mut count = Count::new(window);
    let mut buffer = Vec::with_capacity(64 * 1024);
    for batch in turn {
        if window.is_over() {
            break;
        }
        let is_sampled = count.is_sampled();
        let sent = Instant::now();
        stream.write_all(&batch.rest).await.unwrap();
        let (status, body) = read_response(&mut stream, &mut buffer).await;
        if status != b"201" {
            count.refused(sent);
            continue;
        }
        count.created(sent);
        if is_sampled {
            assert!(batch.matches(&tasks(body)), "the response does not match the batch");
        }
    }
    count.tally
}

/// Returns the status and the body of the next response.
async fn read_response<'a>(
    stream: &mut TcpStream,
    buffer: &'a mut Vec<u8>,
) -> (&'a [u8], &'a [u8]) {
    buffer.clear();
    let mut head_end = None;
    loop {
        assert_ne!(stream.read_buf(buffer).await.unwrap(), 0, "the gateway closed the connection");
        if head_end.is_none() {
            head_end = buffer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        }
        if let Some(head_end) = head_end
            && buffer.len() >= head_end + content_length(&buffer[..head_end])
        {
            return (&buffer[9..12], &buffer[head_end..]);
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).unwrap();
    let value = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
    value.expect("a content-length").parse().unwrap()
}

fn tasks(body: &[u8]) -> Vec<Task> {
    #[derive(Deserialize)]
    struct Body {
        tasks: Vec<BodyTask>,
    }
    #[derive(Deserialize)]
    struct BodyTask {
        id: i64,
        description: String,
        completed: bool,
        assignees: Vec<BodyAssignee>,
    }
    #[derive(Deserialize)]
    struct BodyAssignee {
        email: String,
    }
    let body: Body = serde_json::from_slice(body).unwrap();
    let task = |task: BodyTask| Task {
        id: task.id,
        description: task.description,
        completed: task.completed,
        assignees: task
            .assignees
            .into_iter()
            .map(|assignee| Assignee { email: assignee.email, ..Assignee::default() })
            .collect(),
        ..Task::default()
    };
    body.tasks.into_iter().map(task).collect()
}
