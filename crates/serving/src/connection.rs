//! Handles one connection from its first byte to its last.

use std::{convert::Infallible, error::Error, future::poll_fn, pin::pin, sync::Arc};

use http::{HeaderValue, Request, Response, header::CONNECTION};
use hyper::{
    body::{Body, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep_until,
};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};

use crate::{
    activity::{Activity, ReachedLimit},
    body::ResponseBody,
    clients::ConnectionPeer,
    connection_id::ConnectionId,
    delivery::Delivery,
    lifetime::{Lifetime, Step},
    limits::Limits,
    opened::Opened,
    protocol::Builders,
    send_limit::SendLimit,
    stream::ObservedStream,
    untaken::{Untaken, UntakenWatch},
};

/// Serves the connections of one endpoint.
pub(crate) struct ConnectionHandler<S> {
    pub(crate) builders: Builders,
    pub(crate) service: S,
    pub(crate) limits: Limits,
    pub(crate) send_limit: SendLimit,
    /// Counts the requests of all connections.
    pub(crate) streams: Gauge,
}

impl<S> ConnectionHandler<S> {
    /// Serves a connection, once it is open, until it is closed. The header timeout begins before it is
    /// opened; if it ends before, `time_out` is called. Once `shutdown` is cancelled, it accepts no more requests,
    /// and the connection is closed after the running ones.
    pub(crate) async fn serve<I, B>(
        &self,
        open: impl Future<Output = Option<Opened<I>>>,
        time_out: impl FnOnce(),
        peer: ConnectionPeer,
        shutdown: CancellationToken,
    ) where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data: Send + Unpin, Error: Into<Box<dyn Error + Send + Sync>>>
            + Send
            + Unpin
            + 'static,
    {
        let activity = Arc::new(Activity::new(self.streams.clone()));
        let mut lifetime = Lifetime::new(&self.limits);
        let opened = tokio::select! {
            biased;
            opened = open => opened,
            () = shutdown.cancelled() => return,
            limit = await_close(&mut lifetime, &activity) => {
                tracing::debug!(peer = %peer.socket(), ?limit, "closing connection");
                time_out();
                return;
            }
        };
        let Some(Opened { stream, version, security }) = opened else { return };
        let peer = peer.with_security(security);
        let untaken = Arc::new(Untaken::new(self.send_limit.clone()));
        let id = ConnectionId::next();
        let service = service_fn(|mut request: Request<Incoming>| {
            let client = peer.client_of(request.headers());
            request.extensions_mut().insert(client);
            if let Some(identity) = peer.identity() {
                request.extensions_mut().insert(identity.clone());
            }
            request.extensions_mut().insert(id);
            let mut running = Activity::start_request(&activity, request.version());
            let response = self.service.clone().oneshot(request);
            let untaken = Arc::clone(&untaken);
            async move {
                let mut response = response.await?;
                if running.start_response() {
                    // hyper closes the connection after a response with this header. A graceful
                    // shutdown would come too late for responses that are ready at once.
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                let delivery = Delivery::start(&mut response, &untaken);
                let respond = |body| ResponseBody::new(body, running, delivery);
                Ok::<_, Infallible>(response.map(respond))
            }
        });
        let io = TokioIo::new(ObservedStream::new(stream, Arc::clone(&activity)));
        let mut connection = pin!(self.builders.of(version).serve_connection(io, service));
        let peer = peer.socket();
        let mut watch = UntakenWatch::new(Arc::clone(&untaken));
        let mut is_shutting_down = false;
        loop {
            tokio::select! {
                // Bytes that have arrived are read before a timeout is found to have passed.
                biased;
                closed = connection.as_mut() => {
                    if let Err(error) = closed {
                        tracing::debug!(%peer, %error, "connection failed");
                    }
                    return;
                }
                untaken_for = poll_fn(|cx| watch.poll_overdue(cx)) => {
                    self.send_limit.log_reset("connection closed", untaken_for);
                    return;
                }
                () = shutdown.cancelled(), if !is_shutting_down => {
                    is_shutting_down = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = sleep_until(lifetime.next_step_at()) => match lifetime.step(&activity) {
                    Step::Wait => {}
                    Step::ShutDown(limit) => {
                        tracing::debug!(%peer, ?limit, "shutting connection down");
                        connection.as_mut().graceful_shutdown();
                    }
                    Step::Close(limit) => {
                        tracing::debug!(%peer, ?limit, "closing connection");
                        return;
                    }
                }
            }
        }
    }
}

/// Waits until a connection on which nothing has arrived must be closed. Returns why.
async fn await_close(lifetime: &mut Lifetime<'_>, activity: &Activity) -> ReachedLimit {
    loop {
        sleep_until(lifetime.next_step_at()).await;
        match lifetime.step(activity) {
            Step::Wait => {}
            Step::ShutDown(limit) | Step::Close(limit) => return limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::ready, time::Duration};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
        time::{Instant, advance, sleep},
    };

    use crate::{
        clients::{ClientRules, Clients},
        limits::MaxAge,
        protocol::Protocol,
    };

    use super::*;

    const fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    const PROTOCOL: Protocol = Protocol {
        is_http2_only: false,
        max_head_bytes: 16 * 1024,
        max_streams: 16,
        max_ended_streams: Some(16),
        ping_interval: secs(20),
        ping_timeout: secs(10),
    };

    const LIMITS: Limits = Limits {
        max_connections: 1,
        header_timeout: secs(10),
        idle_timeout: secs(3600),
        http1_idle_timeout: secs(3600),
        send_timeout: secs(30),
        max_age: MaxAge { age: secs(300), grace: secs(30) },
    };

    /// Answers each request with an empty body.
    async fn respond(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
        Ok(Response::new(String::new()))
    }

    fn handler() -> ConnectionHandler<
        impl Service<Request<Incoming>, Response = Response<String>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    > {
        let send_limit = SendLimit::new(LIMITS.send_timeout, || false, Gauge::default());
        let builders = PROTOCOL.builders(send_limit.clone());
        let (service, streams) = (tower::service_fn(respond), Gauge::default());
        ConnectionHandler { builders, service, limits: LIMITS, send_limit, streams }
    }

    fn peer() -> ConnectionPeer {
        let clients = Clients::new(ClientRules {
            trusted_proxies: "none".parse().unwrap(),
            forwarded_for: http::header::FORWARDED,
            share_percent: 100,
        });
        clients.connection(([127, 0, 0, 1], 1).into())
    }

    /// Serves a stream that is no socket.
    fn connect() -> DuplexStream {
        let (client, stream) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            let open = ready(Some(Opened::plain(stream)));
            handler().serve(open, || {}, peer(), CancellationToken::new()).await;
        });
        client
    }

    async fn request(client: &mut DuplexStream) -> String {
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    /// The time of a TLS handshake is not added to that of the first request.
    #[tokio::test(start_paused = true)]
    async fn the_header_timeout_begins_before_the_connection_is_open() {
        for (opened_after, is_timed_out) in [(0, false), (6, false), (11, true)] {
            let (_client, stream) = tokio::io::duplex(1024);
            let begun = Instant::now();
            let open = async move {
                sleep(secs(opened_after)).await;
                Some(Opened::plain(stream))
            };
            let mut has_timed_out = false;
            let handler = handler();
            let time_out = || has_timed_out = true;
            handler.serve(open, time_out, peer(), CancellationToken::new()).await;
            assert_eq!((has_timed_out, begun.elapsed().as_secs()), (is_timed_out, 10));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_does_not_wait_for_a_connection_to_be_opened_and_is_no_timeout() {
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let open = std::future::pending::<Option<Opened<DuplexStream>>>();
        let begun = Instant::now();
        handler().serve(open, || panic!("no time has passed"), peer(), shutdown).await;
        assert!(begun.elapsed().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_on_an_idle_connection_past_its_max_age_is_answered_and_ends_it() {
        let mut client = connect();
        assert!(!request(&mut client).await.contains("connection: close"));
        advance(secs(200)).await;
        assert!(!request(&mut client).await.contains("connection: close"));
        advance(secs(3000)).await;
        // Lets the connection's timer fire.
        tokio::time::sleep(secs(1)).await;
        assert!(request(&mut client).await.contains("\r\nconnection: close\r\n"));
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
