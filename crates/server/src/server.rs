//! The server: bound first, then run until it is told to end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use proto::tasks::v1::task_service_server::TaskServiceServer;
use runtime::{CancellationToken, request_id, request_log, shutdown::DrainOptions};
use store::{Database, DatabaseUrl, TaskWriter};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tower::ServiceBuilder;
use tower_http::trace::TraceLayer;

use crate::{
    ServerOptions, deadline::DeadlineLayer, in_flight::InFlightLayer, keys::Keys, rates::Rates,
    readiness, reasons, service::Tasks, sweep,
};

/// The largest message that is read, in bytes. A full batch with every limit reached has 1.3 MiB.
const MAX_MESSAGE_BYTES: usize = 2 * 1024 * 1024;

/// The most calls that run at once on one connection. The queue's length is the real bound.
const MAX_CALLS_PER_CONNECTION: u32 = 4096;

/// The most calls on one connection that are withdrawn before they were looked at; one more ends
/// it (CVE-2023-44487, "rapid reset"). A gateway withdraws many at once when it gives them up.
const MAX_EARLY_RESETS: usize = 1024;

/// The largest metadata of a call, in bytes: twice what the gateway takes.
const MAX_HEAD_BYTES: u32 = 32 * 1024;

/// A server that has its socket.
#[derive(Debug)]
pub struct Server {
    options: ServerOptions,
    incoming: TcpIncoming,
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
    /// The transport broke.
    #[error("the gRPC server stopped")]
    Transport(#[from] tonic::transport::Error),
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
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Ok(Self { options, incoming, local_addr, database, writer })
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
    /// [`StartError::Reflection`] and [`StartError::Transport`].
    pub async fn run(
        self,
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

        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(proto::DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let writer = Arc::new(self.writer);
        let tasks = Tasks {
            keys: Keys::new(self.database, &self.options.keys),
            rates: Rates::new(&self.options.limits),
            writer: Arc::clone(&writer),
        };
        let layers = ServiceBuilder::new()
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
            .map_response(reasons::give);

        let serving = tonic::transport::Server::builder()
            // A gateway has one connection for all of its callers.
            .max_concurrent_streams(Some(MAX_CALLS_PER_CONNECTION))
            .http2_max_pending_accept_reset_streams(Some(MAX_EARLY_RESETS))
            .http2_max_header_list_size(Some(MAX_HEAD_BYTES))
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            // Without a grace: with one, tonic cuts off without a word to the client.
            .max_connection_age(self.options.max_connection_age)
            .layer(layers)
            .add_service(TaskServiceServer::new(tasks).max_decoding_message_size(MAX_MESSAGE_BYTES))
            .add_service(health_service)
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?)
            .serve_with_incoming_shutdown(self.incoming, accepting);
        drain.capped(ending, serving).await?;
        Ok(())
    }
}
