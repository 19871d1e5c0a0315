//! The server: binds its address, then serves until it is cancelled.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use proto::{
    cases::v1::case_service_server::CaseServiceServer,
    directory::v1::directory_service_server::DirectoryServiceServer,
    tasks::v1::task_service_server::TaskServiceServer,
    wire::{header, limits},
};
use runtime::{CancellationToken, shutdown::DrainOptions};
use serving::{ConnectionOptions, Endpoint, LateMetrics, ListenerTls, Protocol};
use store::{Database, DatabaseUrl, KeyChange, TaskWriter};
use telemetry::{SpanLayer, layers::RequestLayers, metrics::Metrics};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};
use tonic::service::Routes;
use tower::{Layer as _, ServiceBuilder, util::option_layer};
use traces::Tracer;

use crate::{
    audit::AuditLog,
    auth::{Authenticator, KeyCache, KeyTasks, LookUpLimit, WaitingCalls},
    call::CallRunner,
    cases::Cases,
    directory::Directory,
    erasures,
    layers::{
        Admission, DeadlineLayer, Diagnostics, ReceptionLayer, ReceptionParts, Transits,
        attach_error_info,
    },
    metrics::{CallMetricsLayer, KeyMetrics, ServerMetrics, register_readings},
    options::{AuthOptions, LimitOptions, ServerOptions, WebOptions},
    rate_limit::RateLimits,
    readiness::{self, Readiness},
    refusals::Refusals,
    shares::Shares,
    sweep,
    tasks::Tasks,
    tenant_quota::TenantQuota,
    version,
    web::{self, Schemas, TranslationLayer, WebLayer, WebProtocols},
};

/// gRPC alone, with gateways and services that make all of their calls on one connection.
const PROTOCOL: Protocol = Protocol {
    is_http2_only: true,
    max_head_bytes: limits::SERVER_HEAD_BYTES,
    // Admission limits the calls in flight.
    max_streams: limits::CALLS_PER_CONNECTION,
    // A gateway's connection carries the calls of all its callers, so it is not closed for what
    // some of them do. Other limits bound what each call can cost.
    max_ended_streams: None,
    ping_interval: Duration::from_secs(30),
    ping_timeout: Duration::from_secs(10),
};

/// How long a connection may be idle over HTTP/2 by default: longer than gRPC's libraries keep an idle connection
/// (half an hour), so that the client closes it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// The default share of one client address, in percent. The server's clients are gateways and
/// services, each of which makes the calls of many.
const ADDRESS_SHARE_PERCENT: u8 = 100;

/// The calls whose keys are being looked up may take this part of the memory for messages, in addition to
/// it: once those with keys that were found in the last hour, and once the others.
const WAITING_PART: usize = 8;

/// A server that has bound its address.
#[derive(Debug)]
pub struct Server {
    options: ServerOptions,
    listener: TcpListener,
    local_addr: SocketAddr,
    tls: Option<ListenerTls>,
    database: Database,
    key_changes: mpsc::Receiver<KeyChange>,
    writer: TaskWriter,
    readiness: Readiness,
    metrics: Metrics,
    tracer: Tracer,
}

/// Why a server failed to start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can't be bound.
    #[error("failed to serve gRPC on {addr}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The threads that write, or those that watch the database, can't be started.
    #[error("failed to start the database threads")]
    Threads(#[source] io::Error),
    /// The reflection service does not accept the contract.
    #[error("failed to set up gRPC reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The contract has no JSON mapping.
    #[error("failed to set up Connect")]
    Contract(#[from] prost_reflect::DescriptorError),
}

impl Server {
    /// Binds the address and starts the database connections. The database may become available
    /// later. What happens is counted in `metrics`.
    ///
    /// # Errors
    /// [`StartError::Bind`] and [`StartError::Threads`].
    pub fn bind(
        options: ServerOptions,
        database_url: &DatabaseUrl,
        metrics: &Metrics,
    ) -> Result<Self, StartError> {
        let addr = options.grpc_addr;
        let bind_error = |source| StartError::Bind { addr, source };
        let listener = serving::bind(addr).map_err(bind_error)?;
        let local_addr = listener.local_addr().map_err(bind_error)?;
        let database = options.open(database_url);
        let writer = options.start_writer(&database);
        let writer = writer.map_err(StartError::Threads)?;
        database.watch().map_err(StartError::Threads)?;
        metrics.register(|registry| {
            database.register_metrics(registry);
            writer.register_metrics(registry);
        });
        let key_changes = database.key_changes().map_err(StartError::Threads)?;
        let (readiness, metrics) = (Readiness::default(), metrics.clone());
        Ok(Self {
            options,
            listener,
            local_addr,
            tls: None,
            database,
            key_changes,
            writer,
            readiness,
            metrics,
            tracer: Tracer::default(),
        })
    }

    /// Sets the TLS configuration of the listener; `None` for plaintext.
    #[must_use]
    pub fn with_tls(self, tls: Option<ListenerTls>) -> Self {
        if let Some(tls) = &tls {
            self.metrics.certificate("grpc", tls.validity());
        }
        Self { tls, ..self }
    }

    /// Sets what records the traces of calls. Without it, none are recorded.
    #[must_use]
    pub fn with_tracer(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// Returns what tells whether the server is ready, as `grpc.health.v1` does.
    pub fn readiness(&self) -> impl Fn() -> std::future::Ready<bool> + Send + Sync + use<> {
        let readiness = self.readiness.clone();
        move || std::future::ready(readiness.is_ready())
    }

    /// Returns the bound address. Its port is the real one if port 0 was requested.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until the token is cancelled. Then reports that it is not serving, accepts calls for
    /// the drain delay, and waits for calls in flight up to the drain timeout.
    ///
    /// # Errors
    /// [`StartError::Reflection`] and [`StartError::Contract`].
    pub async fn run(
        self,
        connections: ConnectionOptions,
        drain: DrainOptions,
        shutdown: CancellationToken,
    ) -> Result<(), StartError> {
        let metrics = ServerMetrics::new(&self.metrics, self.options.metrics.metrics_per_tenant);
        let (health, health_service) = tonic_health::server::health_reporter();
        readiness::set(&health, false).await;
        for table in [
            sweep::Table::IdempotencyKeys(self.options.idempotency.idempotency_ttl),
            sweep::Table::TaskEvents(self.options.history.event_retention),
            sweep::Table::CreationEvents(self.options.history.event_retention),
        ] {
            let (database, sweeps) = (self.database.clone(), metrics.sweeps.clone());
            tokio::spawn(sweep::run(database, table, sweeps, shutdown.clone()));
        }
        tokio::spawn(erasures::run(self.database.clone(), shutdown.clone()));
        let LimitOptions { key_rate, tenant_rate, max_in_flight, call_timeout, .. } =
            self.options.limits;
        let limits = connections.limits(IDLE_TIMEOUT, call_timeout);
        let writer = Arc::new(self.writer);
        let (rate_limits, audit) = (RateLimits::new(key_rate, tenant_rate), AuditLog::default());
        let replays = metrics.replays.clone();
        let runner = Arc::new(CallRunner { rate_limits, replays, audit: audit.clone() });
        let cases = Cases { runner: Arc::clone(&runner), database: self.database.clone() };
        let directory = Directory { runner: Arc::clone(&runner), database: self.database.clone() };
        let tasks = Tasks {
            runner,
            database: self.database.clone(),
            writer: Arc::clone(&writer),
            reader: self.options.reader(&self.database),
        };
        let clients =
            connections.client_rules(ADDRESS_SHARE_PERCENT, header::FORWARDED_FOR.clone());
        let LimitOptions { max_unfinished_calls, message_memory, .. } = self.options.limits;
        let waiting = WaitingCalls::new(
            max_unfinished_calls,
            mib(message_memory) / WAITING_PART,
            clients.share_percent,
        );
        let authenticator =
            authenticator(self.database.clone(), &self.options, waiting, audit, metrics.keys);
        let key_ttl = self.options.auth.key_ttl;
        let key_tasks = KeyTasks::start(&authenticator, self.key_changes, key_ttl, metrics.audit);
        let reporter = tokio::spawn(readiness::report(
            self.database,
            self.options.pool.max_statement_age,
            {
                let authenticator = authenticator.clone();
                move || authenticator.clone().prepared()
            },
            (health.clone(), self.readiness.clone()),
            shutdown.clone(),
        ));
        let accepting = {
            let shutdown = shutdown.clone();
            async move {
                drain.accepting(shutdown).await;
                if let Err(error) = reporter.await {
                    tracing::error!(%error, "readiness reporter panicked");
                }
                readiness::end_watch_streams(health).await;
            }
        };

        let admission = Admission::new(max_in_flight, clients.share_percent, writer);
        let late = LateMetrics::default();
        // Ends with the server.
        let mut adaptation = JoinSet::new();
        adaptation.spawn(admission.adapt(connections.max_lag, late.clone()));
        let memory = TenantQuota::new(mib(message_memory));
        self.metrics.register(|registry| {
            register_readings(registry, self.readiness, (admission.tenants(), late), &memory);
        });
        let is_scarce = {
            let (memory, is_scarce) = (memory.clone(), admission.is_scarce());
            move || is_scarce() || memory.is_scarce()
        };
        let reception = ReceptionLayer::new(ReceptionParts {
            authenticator,
            memory,
            unfinished: Shares::new(max_unfinished_calls),
            message_timeout: self.options.limits.message_timeout,
            max_status_bytes: self.options.limits.max_status_bytes,
            transits: Transits::new(),
            admission,
            refusals: Refusals::new(max_in_flight / 2),
            diagnostics: Diagnostics::new(),
            tenants: metrics.tenants,
        });
        let routes = routes(tasks, cases, directory)?.add_service(health_service).prepare();
        let layers = ServiceBuilder::new()
            .layer(CallMetricsLayer(metrics.calls))
            .layer(DeadlineLayer::new(call_timeout))
            .map_response(attach_error_info)
            .layer(reception);
        let (tls, metrics) = (self.tls, self.metrics.listener("grpc"));
        let spans = option_layer(SpanLayer::new(&self.tracer));
        let WebOptions { grpc_web, connect } = self.options.web;
        if grpc_web || connect {
            let protocol = Protocol { is_http2_only: false, ..PROTOCOL };
            let schemas = Arc::new(Schemas::new()?);
            let web = WebLayer::new(
                WebProtocols { grpc_web, connect },
                Arc::clone(&schemas),
                call_timeout,
                clients.share_percent,
            );
            let service = ServiceBuilder::new()
                .layer(spans)
                .layer(RequestLayers)
                .layer(connections.browsers.cors(web::cors_rules()))
                .layer(web)
                .service(layers.service(TranslationLayer(schemas).layer(routes)));
            let endpoint = Endpoint { protocol, limits, clients, tls, is_scarce, metrics };
            drain
                .capped(shutdown, serving::serve(self.listener, service, endpoint, accepting))
                .await;
        } else {
            // Calls of gRPC pass nothing that is there for others.
            let service = spans.layer(RequestLayers.layer(layers.service(routes)));
            let protocol = PROTOCOL;
            let endpoint = Endpoint { protocol, limits, clients, tls, is_scarce, metrics };
            drain
                .capped(shutdown, serving::serve(self.listener, service, endpoint, accepting))
                .await;
        }
        key_tasks.end().await;
        Ok(())
    }
}

/// Returns the bytes of so many MiB.
const fn mib(count: u32) -> usize {
    (count as usize).saturating_mul(1024 * 1024)
}

fn authenticator(
    database: Database,
    options: &ServerOptions,
    waiting: WaitingCalls,
    audit: AuditLog,
    metrics: KeyMetrics,
) -> Authenticator {
    let AuthOptions { key_ttl, unknown_key_ttl, .. } = options.auth;
    let cache = KeyCache::new(key_ttl, unknown_key_ttl);
    let limit = LookUpLimit::new(options.unknown_key_look_ups());
    Authenticator::new(database, cache, limit, waiting, audit, metrics)
}

/// Returns the services, and the reflection services that describe them.
fn routes(tasks: Tasks, cases: Cases, directory: Directory) -> Result<Routes, StartError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_file_descriptor_set(version::described())
    };
    let tasks = TaskServiceServer::new(tasks).max_decoding_message_size(limits::MESSAGE_BYTES);
    let cases = CaseServiceServer::new(cases).max_decoding_message_size(limits::MESSAGE_BYTES);
    let directory =
        DirectoryServiceServer::new(directory).max_decoding_message_size(limits::MESSAGE_BYTES);
    Ok(Routes::new(tasks)
        .add_service(cases)
        .add_service(directory)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?))
}
