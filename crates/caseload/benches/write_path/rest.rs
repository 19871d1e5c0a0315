//! A REST load that uses as little processor time as possible: requests are encoded beforehand, and
//! sent over plain HTTP/1.1.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use proto::tasks::v1::{Assignee, Task};
use serde::Deserialize;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::JoinSet};

use crate::{
    load::{
        http1,
        tally::{Count, Tally, Window},
    },
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
            connections.push(http1::connect(addr).await);
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
        let (status, body) = http1::read_response(&mut stream, &mut buffer).await;
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
