//! Connections: how many there may be, what each may hold, and how long it may bring nothing.

mod activity;
mod answer;
mod connection;
mod lifetime;
mod opening;
mod options;

use std::{
    convert::Infallible,
    error::Error,
    io::{self, ErrorKind},
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use runtime::open_files;
use telemetry::Throttle;

use crate::connection::Door;
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
    /// The most requests in a connection's life that are ended from this side, because they break
    /// the protocol (CVE-2025-8671, "MadeYouReset") or because their bodies still come when they
    /// have long been refused; one more ends the connection, and all that runs on it. No bound
    /// where that would harm more than it protects.
    pub max_ended_streams: Option<usize>,
    /// How often the other end of a connection over HTTP/2 must show that it is there.
    pub ping_interval: Duration,
    /// How soon it must do so.
    pub ping_timeout: Duration,
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
    /// The longest that a connection over HTTP/2 may be used.
    pub max_age: MaxAge,
}

/// How long accepting rests where the system has nothing left to accept with.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// How often, at the most, it is logged that connections are not taken.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// The files that a process opens beside its connections from callers, by a generous estimate.
const OTHER_FILES: usize = 256;

/// Serves until `accepting` ends, then until the last request that runs is answered. Dropped before
/// that, it cuts off what still runs.
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
    let places = places(limits.max_connections);
    let turned_away = Throttle::new(TELL_INTERVAL);
    let listener = Listener { listener, failures: Throttle::new(TELL_INTERVAL), protocol };
    let door = Arc::new(Door { builder: builder(protocol), service, limits });
    let draining = CancellationToken::new();
    // Where this is cut off, they are too.
    let mut connections = JoinSet::new();
    let mut accepting = pin!(accepting);
    loop {
        let (stream, peer) = tokio::select! {
            Some(_ended) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
            () = &mut accepting => break,
        };
        while connections.try_join_next().is_some() {}
        if connections.len() >= places {
            if let Some(others) = turned_away.note(Instant::now().into_std()) {
                tracing::warn!(places, %peer, others, "connections are turned away");
            }
            continue;
        }
        let (door, draining) = (Arc::clone(&door), draining.clone());
        connections.spawn(async move { door.serve(stream, peer, draining).await });
    }
    drop(listener);
    draining.cancel();
    while connections.join_next().await.is_some() {}
}

/// How many connections are taken: as many as are wanted, where so many files may be open.
fn places(wanted: u32) -> usize {
    let wanted = wanted as usize;
    let Some(limit) = open_files::limit() else { return wanted };
    let room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(OTHER_FILES).max(1);
    if room < wanted {
        tracing::info!(limit, wanted, room, "fewer connections are taken, since each is a file");
    }
    wanted.min(room)
}

/// Where connections come in.
struct Listener {
    listener: TcpListener,
    failures: Throttle,
    protocol: Protocol,
}

impl Listener {
    async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    if let Err(error) = self.set_up(&stream) {
                        tracing::debug!(%error, %peer, "a connection is as it comes");
                    }
                    return (stream, peer);
                }
                Err(error) if has_gone(error.kind()) => {}
                Err(error) => {
                    if let Some(others) = self.failures.note(Instant::now().into_std()) {
                        tracing::error!(%error, others, "no connection can be accepted");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn set_up(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        // A ping can't tell that the other end is gone, or takes nothing any more, while bytes
        // before it are still to be sent.
        #[cfg(target_os = "linux")]
        {
            let Protocol { ping_interval, ping_timeout, .. } = self.protocol;
            let millis = (ping_interval + ping_timeout).as_millis();
            let millis = u32::try_from(millis).unwrap_or(u32::MAX);
            rustix::net::sockopt::set_tcp_user_timeout(stream, millis)?;
        }
        Ok(())
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
        .max_local_error_reset_streams(protocol.max_ended_streams)
        .keep_alive_interval(protocol.ping_interval)
        .keep_alive_timeout(protocol.ping_timeout);
    builder
}

impl Limits {
    /// The shorter of the time-outs.
    fn shortest(&self) -> Duration {
        self.header_timeout.min(self.idle_timeout)
    }
}
