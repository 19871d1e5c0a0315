//! The gateway: bound first, then run until it is told to end.

use std::{future::IntoFuture as _, io, net::SocketAddr};

use axum::serve::ListenerExt as _;
use runtime::{CancellationToken, shutdown::DrainOptions};
use tokio::net::TcpListener;

use crate::{GatewayOptions, Upstream, routes, upstream::Client};

/// A gateway that has its socket.
#[derive(Debug)]
pub struct Gateway {
    listener: TcpListener,
    local_addr: SocketAddr,
    client: Client,
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
    /// The socket broke.
    #[error("the gateway stopped")]
    Serve(#[source] io::Error),
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
        Ok(Self { listener, local_addr, client })
    }

    /// Where it is bound: the port is the real one, also where 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until the token is cancelled, then lets what runs finish, up to the limit.
    ///
    /// # Errors
    /// [`StartError::Serve`].
    pub async fn run(
        self,
        drain: DrainOptions,
        ending: CancellationToken,
    ) -> Result<(), StartError> {
        let listener = self.listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection keeps Nagle's algorithm");
            }
        });
        let serving = axum::serve(listener, routes::router(self.client, ending.clone()))
            .with_graceful_shutdown(drain.accepting(ending.clone()));
        drain.capped(ending, serving.into_future()).await.map_err(StartError::Serve)
    }
}
