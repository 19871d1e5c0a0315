//! Connections: how many there may be, what each may hold, and how long it may bring nothing.

mod activity;
mod answer;
mod connection;
mod lifetime;
mod opening;
mod options;

use std::{convert::Infallible, error::Error, io::ErrorKind, pin::pin, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::open_files;
use connection::Door;
pub use lifetime::MaxAge;
pub use options::ConnectionOptions;

/// What a door speaks, and what one connection may hold of it.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// Whether it speaks HTTP/2 and nothing else.
    pub is_http2_only: bool,
    /// The largest head of a request, in bytes. HTTP/2 counts 32 more for each header.
    pub max_head_bytes: u32,
    /// The most requests that run at once on one connection.
    pub max_streams: u32,
    /// The most requests that are withdrawn before they were looked at; one more ends the
    /// connection (CVE-2023-44487, "rapid reset").
    pub max_early_resets: usize,
    /// The most requests that are refused because they break the protocol; one more ends the
    /// connection (CVE-2024-2758, "MadeYouReset" and the like).
    pub max_faulty_streams: usize,
    /// How often the other end of a connection over HTTP/2 must show that it is there.
    pub ping_interval: Duration,
}

/// How many connections a door has, and how long each may last.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections; one more is closed at once.
    pub max_connections: u32,
    /// The longest that a connection may take to open HTTP/2, or to bring a request's head.
    pub header_timeout: Duration,
    /// The longest that a connection may rest.
    pub idle_timeout: Duration,
    /// The longest that a connection may be used.
    pub max_age: Option<MaxAge>,
}

/// How soon the other end of a connection must show that it is there.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How long accepting rests where the system has nothing left to accept with.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// How often, at the most, it is logged that connections are turned away.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// The files that a process opens beside its connections from callers, by a generous estimate.
const OTHER_FILES: u32 = 256;

/// Serves until `accepting` ends, then until the last request that runs is answered.
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    protocol: Protocol,
    limits: Limits,
    accepting: impl Future<Output = ()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let max_connections = limits.max_connections;
    if let Some(limit) = open_files::limit()
        && limit < u64::from(max_connections) + u64::from(OTHER_FILES)
    {
        tracing::warn!(limit, max_connections, "fewer files may be open than connections");
    }
    let places = Arc::new(Semaphore::new(max_connections as usize));
    let door = Arc::new(Door { builder: builder(protocol), service, limits });
    let draining = CancellationToken::new();
    let mut accepting = pin!(accepting);
    let mut told_at: Option<Instant> = None;
    loop {
        let stream = tokio::select! {
            stream = accept(&listener) => stream,
            () = &mut accepting => break,
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            if told_at.is_none_or(|at| at.elapsed() >= TELL_INTERVAL) {
                tracing::warn!(max_connections, "connections are turned away");
                told_at = Some(Instant::now());
            }
            continue;
        };
        let (door, draining) = (Arc::clone(&door), draining.clone());
        tokio::spawn(async move {
            door.serve(stream, draining).await;
            drop(place);
        });
    }
    drop(listener);
    draining.cancel();
    // They are all free once every connection has ended. The semaphore is never closed.
    let _all = places.acquire_many(max_connections).await;
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection keeps Nagle's algorithm");
                }
                return stream;
            }
            Err(error) if has_gone(error.kind()) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether it is the client's doing that there is no connection.
fn has_gone(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
    )
}

fn builder(protocol: Protocol) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    if protocol.is_http2_only {
        builder = builder.http2_only();
    }
    builder
        .http1()
        .timer(TokioTimer::new())
        // See `Activity`: it tells a head that is slow from a connection that rests.
        .header_read_timeout(None)
        .max_buf_size(protocol.max_head_bytes as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(protocol.max_head_bytes)
        .max_concurrent_streams(protocol.max_streams)
        .max_pending_accept_reset_streams(protocol.max_early_resets)
        .max_local_error_reset_streams(protocol.max_faulty_streams)
        .keep_alive_interval(protocol.ping_interval)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

impl Limits {
    /// The shorter of the time-outs.
    fn shortest(&self) -> Duration {
        self.header_timeout.min(self.idle_timeout)
    }
}
