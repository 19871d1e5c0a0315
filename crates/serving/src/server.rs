//! Serves the connections of a listener.

use std::{convert::Infallible, error::Error, future::ready, pin::pin, sync::Arc};

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use runtime::open_files;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::{
    clients::Clients,
    connection::ConnectionHandler,
    endpoint::Endpoint,
    handshake::{HandshakeLimits, Handshakes},
    listener::Listener,
    opened::Opened,
    peers::Resource,
    quota::{Exhausted, Quota},
    send_limit::SendLimit,
};

/// A generous estimate of the files that a process opens besides its connections from clients.
const OTHER_FILES: usize = 256;

/// Accepts connections until `accepting` completes, then returns once all running requests are
/// answered. Dropping the future closes all connections at once.
pub async fn serve<S, B, F>(
    listener: TcpListener,
    service: S,
    endpoint: Endpoint<F>,
    accepting: impl Future<Output = ()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data: Send + Unpin, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
    F: Fn() -> bool + Send + Sync + 'static,
{
    let Endpoint { protocol, limits, clients, tls, is_scarce, metrics } = endpoint;
    let capacity = capacity(limits.max_connections);
    let open = Quota::new(Resource::Connections, capacity, clients.share_percent);
    let handshakes = tls.map(|tls| {
        let limits = HandshakeLimits {
            is_http2_only: protocol.is_http2_only,
            max_connections: capacity,
            share_percent: clients.share_percent,
        };
        Handshakes::new(tls, limits, metrics.clone())
    });
    let clients = Clients::new(clients);
    let listener = Listener::new(listener, protocol);
    let send_limit =
        SendLimit::new(limits.send_timeout, is_scarce, metrics.waiting_bytes().clone());
    let builders = protocol.builders(send_limit.clone());
    let streams = metrics.streams().clone();
    let handler = Arc::new(ConnectionHandler { builders, service, limits, send_limit, streams });
    let shutdown = CancellationToken::new();
    // Dropping the set aborts its tasks, and so closes their connections.
    let mut connections = JoinSet::new();
    let mut accepting = pin!(accepting);
    loop {
        let (stream, peer) = tokio::select! {
            Some(_ended) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
            () = &mut accepting => break,
        };
        while connections.try_join_next().is_some() {}
        let connection_peer = clients.connection(peer);
        let client = connection_peer.client();
        let mut permit = open.permit(client);
        let begin = |it: &Arc<Handshakes>| it.admit(client).map(|permit| (Arc::clone(it), permit));
        let handshake = permit.grow(1).and_then(|()| handshakes.as_ref().map(begin).transpose());
        let handshake = match handshake {
            Ok(handshake) => handshake,
            Err(exhausted) => {
                match exhausted {
                    Exhausted::Total => metrics.rejected_beyond_limit(),
                    Exhausted::Address => metrics.rejected_beyond_share(),
                }
                tracing::debug!(%peer, "connection rejected: too many are open, or in handshakes");
                continue;
            }
        };
        let held = (permit, metrics.accepted());
        let (handler, shutdown) = (Arc::clone(&handler), shutdown.clone());
        // A task for each kind: one without TLS needs no room for what TLS needs.
        match handshake {
            None => connections.spawn(async move {
                let _held = held;
                let open = ready(Some(Opened::plain(stream)));
                handler.serve(open, || {}, connection_peer, shutdown).await;
            }),
            Some((handshakes, handshake)) => connections.spawn(async move {
                let _held = held;
                let open = handshakes.complete(stream, peer, handshake);
                let time_out = || handshakes.time_out(peer);
                handler.serve(open, time_out, connection_peer, shutdown).await;
            }),
        };
    }
    drop(listener);
    shutdown.cancel();
    while connections.join_next().await.is_some() {}
}

/// Returns how many connections are accepted: as many as are configured, or fewer if the process
/// may not open as many files.
fn capacity(max_connections: u32) -> usize {
    let max_connections = max_connections as usize;
    let Some(limit) = open_files::limit() else { return max_connections };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let capacity = limit.saturating_sub(OTHER_FILES).max(1);
    if capacity < max_connections {
        tracing::info!(
            open_file_limit = limit,
            max_connections,
            capacity,
            "the limit of open files allows fewer connections than configured"
        );
    }
    max_connections.min(capacity)
}
