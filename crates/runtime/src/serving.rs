//! Connections: how many there may be, what each may hold, and how long it may bring nothing.

mod activity;
mod options;

use std::{convert::Infallible, error::Error, io::ErrorKind, pin::pin, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{
    body::{Body, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};

use activity::{Activity, Expired, Observed};
pub use options::ConnectionOptions;

/// The largest head of a request, in bytes. The server takes twice that: what it gets has longer
/// names, and HTTP/2 counts 32 bytes more for each header.
const MAX_HEAD_BYTES: u16 = 16 * 1024;

/// The most requests that run at once on one connection.
const MAX_STREAMS: u32 = 256;

/// The most requests that are withdrawn before they were looked at; one more ends the connection
/// (CVE-2023-44487, "rapid reset").
const MAX_EARLY_RESETS: usize = 128;

/// The most requests that are refused because they break the protocol; one more ends the
/// connection (CVE-2024-2758, "MadeYouReset" and the like).
const MAX_FAULTY_STREAMS: usize = 256;

/// How often the other end of a connection over HTTP/2 must show that it is there, and how soon.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How long accepting rests where the system has nothing left to accept with.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// How often, at the most, it is logged that connections are turned away.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// Serves until `accepting` ends, then until the last request that runs is answered.
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    options: ConnectionOptions,
    accepting: impl Future<Output = ()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(options.max_connections as usize));
    let server = Arc::new(Server { builder: builder(), service, options });
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
                tracing::warn!(max = options.max_connections, "connections are turned away");
                told_at = Some(Instant::now());
            }
            continue;
        };
        let (server, draining) = (Arc::clone(&server), draining.clone());
        tokio::spawn(async move {
            server.serve(stream, draining).await;
            drop(place);
        });
    }
    drop(listener);
    draining.cancel();
    // They are all free once every connection has ended. The semaphore is never closed.
    let _all = places.acquire_many(options.max_connections).await;
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

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // See `Activity`: it tells a head that is slow from a connection that rests.
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD_BYTES.into());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEAD_BYTES.into())
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_EARLY_RESETS)
        .max_local_error_reset_streams(MAX_FAULTY_STREAMS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// What all connections have in common.
struct Server<S> {
    builder: Builder<TokioExecutor>,
    service: S,
    options: ConnectionOptions,
}

impl<S> Server<S> {
    /// Serves a connection to its end.
    async fn serve<B>(&self, stream: TcpStream, draining: CancellationToken)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let activity = Arc::new(Activity::new());
        let service = service_fn(|request: Request<Incoming>| {
            let running = Activity::begin(&activity, request.version());
            let answer = self.service.clone().oneshot(request);
            async move {
                let answer = answer.await;
                drop(running);
                answer
            }
        });
        let io = TokioIo::new(Observed::new(stream, Arc::clone(&activity)));
        let mut connection = pin!(self.builder.serve_connection(io, service));
        let mut is_draining = false;
        let mut look_at = Instant::now() + self.options.shortest();
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection broke");
                    }
                    return;
                }
                () = draining.cancelled(), if !is_draining => {
                    is_draining = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = sleep_until(look_at) => {
                    match activity.look(&self.options) {
                        Ok(next) => look_at = next,
                        Err(Expired::Idle) => break,
                        Err(Expired::Slow) => return,
                    }
                }
            }
        }
        // It is told first, so that it sends no request that nobody would read.
        connection.as_mut().graceful_shutdown();
        let _gone = tokio::time::timeout(self.options.header_timeout, connection).await;
    }
}
