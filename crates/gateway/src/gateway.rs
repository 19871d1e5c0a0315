//! The gateway: it binds its address, then serves until it is cancelled.

use std::{io, net::SocketAddr, pin::Pin, time::Duration};

use axum::middleware;
use proto::wire::{header::FORWARDED_FOR, limits};
use runtime::{CancellationToken, shutdown::DrainOptions};
use serving::{ConnectionOptions, Endpoint, LateMetrics, ListenerTls, Protocol};
use telemetry::{SpanLayer, metrics::Metrics};
use tokio::{net::TcpListener, task::JoinSet};
use traces::Tracer;

use crate::{
    Docs, GatewayOptions, Upstream,
    context::Context,
    cors::Cors,
    extract::{BodyMemory, MaxTimeout},
    in_flight::InFlight,
    metrics::{RequestMetrics, register_readings},
    options::ADDRESS_SHARE_PERCENT,
    router, routes, security_headers, site,
    upstream::{Client, Servers},
};

/// The gateway serves HTTP/1.1 and HTTP/2, to clients of any kind.
const PROTOCOL: Protocol = Protocol {
    is_http2_only: false,
    max_head_bytes: limits::GATEWAY_HEAD_BYTES,
    max_streams: 256,
    max_ended_streams: Some(1024),
    ping_interval: Duration::from_secs(20),
    ping_timeout: Duration::from_secs(10),
};

/// The default idle timeout of a connection: longer than that of balancers.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// A future that may be sent to other threads.
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A gateway whose socket is bound.
#[derive(Debug)]
pub struct Gateway {
    listener: TcpListener,
    local_addr: SocketAddr,
    tls: Option<ListenerTls>,
    client: Client,
    max_timeout: MaxTimeout,
    body_memory: u32,
    max_requests: usize,
    docs: Docs,
    hsts_max_age: Option<Duration>,
    metrics: Metrics,
    tracer: Tracer,
}

/// Why a gateway failed to start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address could not be bound.
    #[error("failed to serve REST on {addr}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The program was built without the files of the reference.
    #[error("failed to read the files of the reference at /docs; --docs off starts without them")]
    Docs,
}

impl Gateway {
    /// Binds the address. The servers need not be running yet. What happens is counted in `metrics`.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn bind(
        options: &GatewayOptions,
        upstream: &Upstream,
        metrics: &Metrics,
    ) -> Result<Self, StartError> {
        if options.docs == Docs::On && !site::prepare_docs() {
            return Err(StartError::Docs);
        }
        let addr = options.http_addr;
        let bind_error = |source| StartError::Bind { addr, source };
        let listener = serving::bind(addr).map_err(bind_error)?;
        let local_addr = listener.local_addr().map_err(bind_error)?;
        let client = Client::new(Servers::connect(upstream, options.max_requests));
        if let Some(tls) = &upstream.tls {
            metrics.certificate("upstream", tls.validity());
        }
        let max_timeout = MaxTimeout(options.upstream_timeout);
        let GatewayOptions { body_memory, max_requests, docs, hsts_max_age, .. } = *options;
        let metrics = metrics.clone();
        Ok(Self {
            listener,
            local_addr,
            tls: None,
            client,
            max_timeout,
            body_memory,
            max_requests,
            docs,
            hsts_max_age,
            metrics,
            tracer: Tracer::default(),
        })
    }

    /// Sets the TLS configuration of the listener; `None` for plaintext.
    #[must_use]
    pub fn with_tls(self, tls: Option<ListenerTls>) -> Self {
        if let Some(tls) = &tls {
            self.metrics.certificate("rest", tls.validity());
        }
        Self { tls, ..self }
    }

    /// Sets what records the traces of requests. Without it, none are recorded.
    #[must_use]
    pub fn with_tracer(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// Returns what tells whether the gateway is ready, as `/readyz` does: a server behind it serves, and
    /// it was not told to end by this token.
    pub fn readiness(
        &self,
        shutdown: &CancellationToken,
    ) -> impl Fn() -> BoxFuture<bool> + Send + Sync + use<> {
        let (client, shutdown) = (self.client.clone(), shutdown.clone());
        move || {
            let (client, shutdown) = (client.clone(), shutdown.clone());
            Box::pin(async move { !shutdown.is_cancelled() && client.is_serving().await })
        }
    }

    /// Returns the bound address, with the real port if port 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until the token is cancelled, then completes the running requests, up to the limit.
    pub async fn run(
        self,
        connections: ConnectionOptions,
        drain: DrainOptions,
        shutdown: CancellationToken,
    ) {
        let Self { client, max_timeout, body_memory, max_requests, docs, metrics, .. } = self;
        let limits = connections.limits(IDLE_TIMEOUT, max_timeout.0);
        let clients = connections.client_rules(ADDRESS_SHARE_PERCENT, FORWARDED_FOR.clone());
        let body_memory = BodyMemory::of_mib(body_memory, clients.share_percent);
        let in_flight = InFlight::new(max_requests, clients.share_percent);
        let late = LateMetrics::default();
        // Ends with the gateway.
        let mut adaptation = JoinSet::new();
        adaptation.spawn(in_flight.adapt(connections.max_lag, late.clone()));
        let is_scarce = {
            let (body_memory, in_flight) = (body_memory.clone(), in_flight.clone());
            move || in_flight.is_scarce() || body_memory.is_scarce()
        };
        let has_tls = self.tls.is_some();
        let endpoint = Endpoint {
            protocol: PROTOCOL,
            limits,
            clients,
            tls: self.tls,
            is_scarce,
            metrics: metrics.listener("rest"),
        };
        let requests = RequestMetrics::new(routes::paths(), &metrics);
        metrics.register(|registry| {
            client.register_metrics(registry, shutdown.clone());
            register_readings(registry, (in_flight.working(), late), body_memory.quota());
        });
        let context = Context {
            client,
            max_timeout,
            body_memory,
            in_flight,
            metrics: requests,
            shutdown: shutdown.clone(),
        };
        // The first request for the document need not wait until it is made.
        let document = routes::document();
        let browsers = connections.browsers;
        let cors = browsers.allows_any().then(|| Cors::new(browsers, document.text()));
        let mut router = router::router(context, docs, cors);
        if let Some(max_age) = self.hsts_max_age.filter(|_| has_tls) {
            let value = security_headers::strict_transport(max_age);
            let require_tls = security_headers::require_tls;
            router = router.layer(middleware::from_fn_with_state(value, require_tls));
        }
        if let Some(spans) = SpanLayer::new(&self.tracer) {
            router = router.layer(spans);
        }
        let accepting = drain.accepting(shutdown.clone());
        let serving = serving::serve(self.listener, router, endpoint, accepting);
        drain.capped(shutdown, serving).await;
    }
}
