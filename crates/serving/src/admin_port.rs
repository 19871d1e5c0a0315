//! The admin port: a listener of its own, with limits of its own.

use std::{future::pending, io, net::SocketAddr, time::Duration};

use clap::Args;
use http::header::FORWARDED;
use telemetry::{Admin, metrics::ListenerMetrics};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    clients::ClientRules,
    endpoint::Endpoint,
    limits::{Limits, MaxAge},
    listener,
    protocol::Protocol,
    server::serve,
    trusted_proxies::TrustedProxies,
};

/// Where those who run the process look at it.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Admin port")]
pub struct AdminPortOptions {
    /// Address to serve metrics, probes, the version and the log level on, over HTTP. It asks nobody for
    /// a key, so it should be a loopback address, or one that only the monitoring system can reach
    /// [default: not served]
    #[arg(long, env = "CASELOAD_ADMIN_ADDR", value_name = "ADDR:PORT")]
    pub admin_addr: Option<SocketAddr>,
}

/// HTTP/1.1 and HTTP/2, for a monitoring system or two, and people.
const PROTOCOL: Protocol = Protocol {
    is_http2_only: false,
    max_head_bytes: 16 * 1024,
    max_streams: 16,
    max_ended_streams: Some(64),
    ping_interval: Duration::from_secs(20),
    ping_timeout: Duration::from_secs(10),
};

/// These take a part of the files that a process may open besides the connections of its callers.
const LIMITS: Limits = Limits {
    max_connections: 64,
    header_timeout: Duration::from_secs(5),
    // Longer than a minute, which is how often most monitoring systems ask at least.
    idle_timeout: Duration::from_secs(90),
    http1_idle_timeout: Duration::from_secs(90),
    send_timeout: Duration::from_secs(10),
    max_age: MaxAge { age: Duration::from_secs(3600), grace: Duration::from_secs(10) },
};

/// The admin port of a process, whose address is bound.
#[derive(Debug)]
pub struct AdminPort {
    listener: TcpListener,
    local_addr: SocketAddr,
}

/// The admin port can't be served.
#[derive(Debug, thiserror::Error)]
#[error("failed to serve the admin port on {addr}")]
pub struct BindError {
    addr: SocketAddr,
    source: io::Error,
}

impl AdminPort {
    /// Binds the address, if there is one.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(options: AdminPortOptions) -> Result<Option<Self>, BindError> {
        let Some(addr) = options.admin_addr else { return Ok(None) };
        let bind_error = |source| BindError { addr, source };
        let listener = listener::bind(addr).map_err(bind_error)?;
        let local_addr = listener.local_addr().map_err(bind_error)?;
        tracing::info!(addr = %local_addr, "serving the admin port");
        Ok(Some(Self { listener, local_addr }))
    }

    /// Returns the bound address, with the real port if port 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Completes `work`, and serves for as long as that takes: also while it drains.
    pub async fn serve_during<T>(
        self,
        work: impl Future<Output = T>,
        admin: Admin,
        metrics: ListenerMetrics,
    ) -> T {
        // Dropping the set aborts its task.
        let mut serving = JoinSet::new();
        serving.spawn(self.serve(admin, metrics));
        work.await
    }

    async fn serve(self, admin: Admin, metrics: ListenerMetrics) {
        let trusted_proxies = TrustedProxies::none();
        let clients = ClientRules { trusted_proxies, forwarded_for: FORWARDED, share_percent: 100 };
        let endpoint = Endpoint {
            protocol: PROTOCOL,
            limits: LIMITS,
            clients,
            tls: None,
            is_scarce: || false,
            metrics,
        };
        serve(self.listener, admin.router(), endpoint, pending()).await;
    }
}
