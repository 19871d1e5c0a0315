//! Callers of Caseload, over gRPC and REST.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::JoinSet, time::sleep};

use crate::{
    load::{
        http1,
        http2::{self, Client},
        tally::{Count, Tally, Window},
    },
    query::{Query, Target},
    random::Random,
};

/// The number of gRPC connections: that of a few client services, not one for each call.
const CONNECTIONS: usize = 4;

/// The protocol that the callers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Grpc,
    Rest,
}

/// Where the callers call, and with which keys: one for each tenant.
#[derive(Clone, Copy)]
pub(crate) struct Service {
    pub(crate) protocol: Protocol,
    pub(crate) addr: SocketAddr,
    pub(crate) keys: &'static [String],
}

/// Runs `concurrency` callers, each of which waits for a response before it sends the next request.
pub(crate) fn run(service: Service, query: Query, concurrency: usize, duration: Duration) -> Tally {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut clients = Vec::new();
        let mut streams = Vec::new();
        match service.protocol {
            Protocol::Grpc => {
                for _ in 0..CONNECTIONS.min(concurrency) {
                    clients.push(http2::connect(service.addr).await);
                }
            }
            Protocol::Rest => {
                for _ in 0..concurrency {
                    streams.push(http1::connect(service.addr).await);
                }
            }
        }
        let window = Window::of(duration);
        let mut callers = JoinSet::new();
        for index in 0..concurrency {
            let caller = Caller { service, query, random: Random::new(index), window };
            match service.protocol {
                Protocol::Grpc => {
                    callers.spawn(caller.over_grpc(clients[index % clients.len()].clone()))
                }
                Protocol::Rest => callers.spawn(caller.over_rest(streams.pop().unwrap())),
            };
        }
        let mut tally = Tally::new();
        for part in callers.join_all().await {
            tally.merge(&part);
        }
        tally.elapsed = window.duration();
        tally
    })
}

/// One caller.
struct Caller {
    service: Service,
    query: Query,
    random: Random,
    window: Window,
}

impl Caller {
    async fn over_grpc(mut self, client: Client) -> Tally {
        let mut count = Count::new(self.window);
        while !self.window.is_over() {
            let is_sampled = count.is_sampled();
            let (target, key) = self.target();
            let message = self.query.message(&target);
            let sent = Instant::now();
            let method = self.query.method();
            match http2::call(&client, self.service.addr, method, key, message).await {
                Ok(message) => {
                    count.created(sent);
                    if is_sampled {
                        self.query.check_message(&target, &message[5..]);
                    }
                }
                Err(pushback) => {
                    count.refused(sent);
                    sleep(pushback.min(self.window.left())).await;
                }
            }
        }
        count.tally
    }

    async fn over_rest(mut self, mut stream: TcpStream) -> Tally {
        let mut count = Count::new(self.window);
        let mut buffer = Vec::with_capacity(64 * 1024);
        while !self.window.is_over() {
            let is_sampled = count.is_sampled();
            let (target, key) = self.target();
            let request = self.query.request(&target, key);
            let sent = Instant::now();
            stream.write_all(request.as_bytes()).await.unwrap();
            let (status, body) = http1::read_response(&mut stream, &mut buffer).await;
            if status != b"200" {
                count.refused(sent);
                continue;
            }
            count.created(sent);
            if is_sampled {
                self.query.check_body(&target, body);
            }
        }
        count.tally
    }

    /// Returns a random target, and the key of its tenant.
    fn target(&mut self) -> (Target, &'static str) {
        let target = Target::random(&mut self.random);
        let key = &self.service.keys[usize::try_from(target.tenant - 1).unwrap()];
        (target, key)
    }
}
