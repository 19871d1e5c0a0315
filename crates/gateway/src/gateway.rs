//! The gateway: bound first, then run until it is told to end.

use std::{convert::Infallible, io, net::SocketAddr};

use runtime::{
    CancellationToken,
    serving::{self, ConnectionOptions},
    shutdown::DrainOptions,
};
use tokio::net::TcpListener;

use crate::{GatewayOptions, Upstream, routes, upstream::Client};

/// A gateway that has its socket.
#[derive(Debug)]
pub struct Gateway {
    listener: TcpListener,
    local_addr: SocketAddr,
    client: Client,
    connections: ConnectionOptions,
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
        Ok(Self { listener, local_addr, client, connections: options.connections })
    }

    /// Where it is bound: the port is the real one, also where 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until the token is cancelled, then lets what runs finish, up to the limit.
    ///
    /// # Errors
    /// None: what breaks are single connections.
    pub async fn run(
        self,
        drain: DrainOptions,
        ending: CancellationToken,
    ) -> Result<(), Infallible> {
        let router = routes::router(self.client, ending.clone());
        let accepting = drain.accepting(ending.clone());
        let serving = serving::serve(self.listener, router, self.connections, accepting);
        let serving = async {
            serving.await;
            Ok(())
        };
        drain.capped(ending, serving).await
    }
}
