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
    /// opened. Once `shutdown` is cancelled, it accepts no more requests, and the connection is closed
    /// after the running ones.
    pub(crate) async fn serve<I, B>(
        &self,
        open: impl Future<Output = Option<Opened<I>>>,
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
        time::advance,
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

    /// Serves a stream that is no socket.
    fn connect() -> DuplexStream {
        let service = tower::service_fn(async |_: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let send_limit = SendLimit::new(LIMITS.send_timeout, || false, Gauge::default());
        let builders = PROTOCOL.builders(send_limit.clone());
        let streams = Gauge::default();
        let handler = ConnectionHandler { builders, service, limits: LIMITS, send_limit, streams };
        let (client, stream) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            let clients = Clients::new(ClientRules {
                trusted_proxies: "none".parse().unwrap(),
                forwarded_for: http::header::FORWARDED,
                share_percent: 100,
            });
            let peer = clients.connection(([127, 0, 0, 1], 1).into());
            let open = ready(Some(Opened::plain(stream)));
            handler.serve(open, peer, CancellationToken::new()).await;
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
