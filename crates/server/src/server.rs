//! The server: bound first, then run until it is told to end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use proto::tasks::v1::task_service_server::TaskServiceServer;
use runtime::{CancellationToken, shutdown::DrainOptions};
use serving::{ConnectionOptions, Protocol};
use store::{Database, DatabaseUrl, TaskWriter};
use telemetry::{request_id, request_log};
use tokio::net::TcpListener;
use tonic::service::Routes;
use tower::ServiceBuilder;
use tower_http::trace::TraceLayer;

use crate::{
    ServerOptions, deadline::DeadlineLayer, in_flight::InFlightLayer, keys::Keys, rates::Rates,
    readiness, reasons, service::Tasks, sweep,
};

/// The largest message that is read, in bytes. A full batch with every limit reached has 1.3 MiB.
const MAX_MESSAGE_BYTES: usize = 2 * 1024 * 1024;

/// What the server speaks: gRPC, with gateways and services that have one connection for all of
/// their calls.
const PROTOCOL: Protocol = Protocol {
    is_http2_only: true,
    // Twice what the gateway takes.
    max_head_bytes: 32 * 1024,
    // The queue's length is the real bound.
    max_streams: 4096,
    // A gateway withdraws many at once when it gives them up.
    max_early_resets: 1024,
    // A gateway's connection bears the calls of all its callers. It has an age, and what each call
    // may cost is bounded by others.
    max_ended_streams: None,
    ping_interval: Duration::from_secs(30),
    ping_timeout: Duration::from_secs(10),
};

/// How long a connection rests unless told otherwise: longer than gRPC's libraries keep one that
/// they don't use (half an hour), so that it is they who decide.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// A server that has its socket.
#[derive(Debug)]
pub struct Server {
    options: ServerOptions,
    listener: TcpListener,
    local_addr: SocketAddr,
    database: Database,
    writer: TaskWriter,
}

/// Why a server could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can't be served.
    #[error("gRPC can't be served on {addr}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The threads that write, and those that watch the database, can't be started.
    #[error("the threads that write can't be started")]
    Threads(#[source] io::Error),
    /// The reflection service refuses the contract.
    #[error("the contract can't be served by reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
}

impl Server {
    /// Binds the address and starts the ways to the database, which need not be there yet.
    ///
    /// # Errors
    /// [`StartError::Bind`] and [`StartError::Threads`].
    pub async fn bind(
        options: ServerOptions,
        database_url: &DatabaseUrl,
    ) -> Result<Self, StartError> {
        let addr = options.grpc_addr;
        let bind_error = |source| StartError::Bind { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(bind_error)?;
        let local_addr = listener.local_addr().map_err(bind_error)?;
        let database = Database::open(database_url, &options.pool_settings());
        let writer = TaskWriter::start(&database, options.writer_settings());
        let writer = writer.map_err(StartError::Threads)?;
        database.watch().map_err(StartError::Threads)?;
        Ok(Self { options, listener, local_addr, database, writer })
    }

    /// Where it is bound: the port is the real one, also where 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until the token is cancelled: reports itself as not serving, accepts for a while
    /// longer, then lets what runs finish, up to the limit.
    ///
    /// # Errors
    /// [`StartError::Reflection`].
    pub async fn run(
        self,
        connections: ConnectionOptions,
        drain: DrainOptions,
        ending: CancellationToken,
    ) -> Result<(), StartError> {
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
        health.set_not_serving::<TaskServiceServer<Tasks>>().await;
        let reporter =
            tokio::spawn(readiness::report(self.database.clone(), health.clone(), ending.clone()));
        tokio::spawn(sweep::run(
            self.database.clone(),
            self.options.requests.request_ttl,
            ending.clone(),
        ));
        let accepting = {
            let ending = ending.clone();
            async move {
                drain.accepting(ending).await;
                if let Err(error) = reporter.await {
                    tracing::error!(%error, "readiness was no longer reported");
                }
                readiness::dismiss_watchers(health).await;
            }
        };

        let limits = connections.limits(IDLE_TIMEOUT, self.options.limits.call_timeout);
        let listener = self.listener;
        let writer = Arc::new(self.writer);
        let tasks = Tasks {
            keys: Keys::new(self.database, &self.options.keys),
            rates: Rates::new(&self.options.limits),
            writer: Arc::clone(&writer),
        };
        let routes = routes(tasks)?.add_service(health_service).prepare();
        let service = ServiceBuilder::new()
            .map_request(request_id::drop_unusable)
            .layer(request_id::SetRequestIdLayer::x_request_id(request_id::MakeRequestUuid))
            .layer(
                TraceLayer::new_for_grpc()
                    .make_span_with(request_log::span)
                    .on_request(())
                    .on_response(request_log::log_response)
                    .on_eos(())
                    .on_failure(()),
            )
            .layer(request_id::PropagateRequestIdLayer::x_request_id())
            .layer(InFlightLayer::new(self.options.limits.max_in_flight, writer))
            .layer(DeadlineLayer::new(self.options.limits.call_timeout))
            .map_response(reasons::give)
            .service(routes);
        let serving = serving::serve(listener, service, PROTOCOL, limits, accepting);
        drain.capped(ending, serving).await;
        Ok(())
    }
}

/// The service, and what describes it.
fn routes(tasks: Tasks) -> Result<Routes, StartError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let tasks = TaskServiceServer::new(tasks).max_decoding_message_size(MAX_MESSAGE_BYTES);
    Ok(Routes::new(tasks)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?))
}
