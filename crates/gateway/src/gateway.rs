//! The gateway: bound first, then run until it is told to end.

use std::{io, net::SocketAddr, time::Duration};

use runtime::{CancellationToken, shutdown::DrainOptions};
use serving::{ConnectionOptions, Protocol};
use tokio::net::TcpListener;

use crate::{GatewayOptions, Upstream, budget::Budget, routes, upstream::Client};

/// What the gateway speaks: HTTP/1.1 and HTTP/2, with callers of any kind.
const PROTOCOL: Protocol = Protocol {
    is_http2_only: false,
    // The server takes twice that: what it gets has longer names.
    max_head_bytes: 16 * 1024,
    max_streams: 256,
    max_early_resets: 128,
    max_ended_streams: Some(1024),
    ping_interval: Duration::from_secs(20),
    ping_timeout: Duration::from_secs(10),
};

/// How long a connection rests unless told otherwise: longer than balancers keep one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// A gateway that has its socket.
#[derive(Debug)]
pub struct Gateway {
    listener: TcpListener,
    local_addr: SocketAddr,
    client: Client,
    bodies: Budget,
}

/// Why a gateway could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can't be served.
    #[error("REST can't be served on {addr}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl Gateway {
    /// Binds the address. The server need not be there yet.
    ///
    /// # Errors
    /// [`StartError::Bind`].
    pub async fn bind(options: &GatewayOptions, upstream: &Upstream) -> Result<Self, StartError> {
        let addr = options.http_addr;
        let bind_error = |source| StartError::Bind { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(bind_error)?;
        let local_addr = listener.local_addr().map_err(bind_error)?;
        let client = Client::new(upstream, options.upstream_timeout);
        let bodies = Budget::of_mib(options.body_memory);
        Ok(Self { listener, local_addr, client, bodies })
    }

    /// Where it is bound: the port is the real one, also where 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until the token is cancelled, then lets what runs finish, up to the limit.
    pub async fn run(
        self,
        connections: ConnectionOptions,
        drain: DrainOptions,
        ending: CancellationToken,
    ) {
        let limits = connections.limits(IDLE_TIMEOUT, self.client.timeout());
        let router = routes::router(self.client, self.bodies, ending.clone());
        let accepting = drain.accepting(ending.clone());
        let serving = serving::serve(self.listener, router, PROTOCOL, limits, accepting);
        drain.capped(ending, serving).await;
    }
}
