//! A running Caseload: a server and a gateway on sockets of their own, with data and clients.

use std::{net::SocketAddr, time::SystemTime};

use clap::Args;
use domain::{ApiKey, Email, Networks, Scope, TenantId};
use gateway::{Gateway, GatewayOptions, Upstream};
use proto::tasks::v1::task_service_client::TaskServiceClient;
use reqwest::{Method, RequestBuilder};
use runtime::{CancellationToken, shutdown::DrainOptions};
use server::{Server, ServerOptions};
use serving::{ConnectionOptions, ListenerTls};
use store::{Database, DatabaseUrl, NewApiKey, NewUser};
use telemetry::metrics::Metrics;
use tonic::transport::{Channel, Endpoint};

use super::{Reply, TestDatabase, http_client, postgres::row_level_security};

/// A server and a gateway in this process, on a database that has a tenant, the three users of the
/// API document, a case, and an API key that may write. Both end when the test's runtime does.
pub(crate) struct App {
    pub(crate) database: TestDatabase,
    /// A connection to the database beside the server's own.
    pub(crate) admin: Database,
    pub(crate) grpc_addr: SocketAddr,
    pub(crate) http_addr: SocketAddr,
    pub(crate) tenant: TenantId,
    pub(crate) case_id: i64,
    pub(crate) key: ApiKey,
    /// Shuts the server and the gateway down when it is cancelled.
    pub(crate) shutdown: CancellationToken,
    http: reqwest::Client,
}

/// Starts an [`App`] with options as on the command line.
#[derive(Default)]
pub(crate) struct AppBuilder {
    server_args: Vec<&'static str>,
}

/// Many tests share few processors, so that all programs are late.
const NO_LAG: [&str; 2] = ["--max-lag", "0s"];

/// The command-line options of a server or a gateway.
#[derive(Args)]
struct ProgramOptions<T: Args> {
    #[command(flatten)]
    program: T,
    #[command(flatten)]
    connections: ConnectionOptions,
    #[command(flatten)]
    drain: DrainOptions,
}

impl AppBuilder {
    /// Adds options of the server.
    pub(crate) fn server_args(mut self, args: &[&'static str]) -> Self {
        self.server_args.extend(args);
        self
    }

    /// Starts the app on a database of its own.
    pub(crate) async fn start(self) -> App {
        self.start_on(TestDatabase::create()).await
    }

    /// Starts the app on a migrated database.
    pub(crate) async fn start_on(self, database: TestDatabase) -> App {
        let url = database.url().clone();
        self.start_as(database, &url).await
    }

    /// Starts the app on a migrated database, to which its server connects by another URL.
    pub(crate) async fn start_as(self, database: TestDatabase, server_url: &DatabaseUrl) -> App {
        let admin = database.open();
        let (tenant, case_id) = populate(&admin, "Acme").await;
        let shutdown = CancellationToken::new();

        let grpc_addr = start_server(server_url, &self.server_args, &shutdown).await;
        let http_addr = start_gateway(grpc_addr, &shutdown).await;

        let key = new_key();
        let app = App {
            database,
            admin,
            grpc_addr,
            http_addr,
            tenant,
            case_id,
            key: key.clone(),
            shutdown,
            http: http_client(),
        };
        app.store_key(tenant, &key, &[Scope::TasksWrite], None).await;
        app
    }
}

/// Starts a server in this process until `shutdown` is cancelled. Returns the address on which it
/// listens. Unless the options say otherwise, it listens on a free port and has two writers.
pub(crate) async fn start_server(
    database_url: &DatabaseUrl,
    more_args: &[&str],
    shutdown: &CancellationToken,
) -> SocketAddr {
    let mut args = more_args.to_vec();
    for [name, value] in [
        ["--grpc-addr", "127.0.0.1:0"],
        ["--writers", "2"],
        ["--readers", "2"],
        ["--changers", "1"],
        // Tests hold locks for other reasons.
        ["--lock-timeout", "9s"],
        NO_LAG,
    ] {
        if !args.contains(&name) {
            args.extend([name, value]);
        }
    }
    let is_asked_for = args.contains(&"--row-level-security");
    args.extend(row_level_security(database_url).filter(|_| !is_asked_for));
    let ProgramOptions::<ServerOptions> { program, connections, drain } = options(&args);
    let tls = ListenerTls::start(&connections.tls).unwrap();
    let server = Server::bind(program, database_url, &metrics()).unwrap().with_tls(tls);
    let grpc_addr = server.local_addr();
    tokio::spawn(server.run(connections, drain, shutdown.clone()));
    grpc_addr
}

/// Starts a gateway for a server, in this process, until `shutdown` is cancelled. Returns the
/// address on which it listens.
pub(crate) async fn start_gateway(
    grpc_addr: SocketAddr,
    shutdown: &CancellationToken,
) -> SocketAddr {
    start_gateway_with(grpc_addr, &[], shutdown).await
}

/// Starts a gateway as [`start_gateway`] does, with options.
pub(crate) async fn start_gateway_with(
    grpc_addr: SocketAddr,
    more_args: &[&str],
    shutdown: &CancellationToken,
) -> SocketAddr {
    start_gateway_to(&format!("http://{grpc_addr}"), more_args, shutdown).await
}

/// Starts a gateway as [`start_gateway`] does, with options, for the servers with these URLs.
pub(crate) async fn start_gateway_to(
    upstream: &str,
    more_args: &[&str],
    shutdown: &CancellationToken,
) -> SocketAddr {
    let args = [&["--http-addr", "127.0.0.1:0"], &NO_LAG[..], more_args].concat();
    let ProgramOptions::<GatewayOptions> { program, connections, drain } = options(&args);
    let tls = ListenerTls::start(&connections.tls).unwrap();
    let upstream = upstream.parse::<Upstream>().unwrap().secured(&program.upstream_tls).unwrap();
    let gateway = Gateway::bind(&program, &upstream, &metrics()).unwrap().with_tls(tls);
    let http_addr = gateway.local_addr();
    tokio::spawn(gateway.run(connections, drain, shutdown.clone()));
    http_addr
}

/// Returns metrics that nobody reads.
fn metrics() -> Metrics {
    Metrics::new("test", "0")
}

/// Parses options as the command line would.
fn options<T: Args>(args: &[&str]) -> T {
    let command = T::augment_args(clap::Command::new("test").no_binary_name(true));
    T::from_arg_matches(&command.get_matches_from(args)).unwrap()
}

/// Creates a tenant with the users of the API document and a case. Returns their ids.
pub(crate) async fn populate(admin: &Database, name: &str) -> (TenantId, i64) {
    let tenant = admin.create_tenant(name.to_owned()).await.unwrap().id;
    for (email, first_name, last_name) in [
        ("user1@example.com", "John", "Doe"),
        ("user2@example.com", "Jane", "Smith"),
        ("user3@example.com", "Bob", "Wilson"),
    ] {
        let user = NewUser {
            email: Email::parse(email.to_owned()).unwrap(),
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
        };
        admin.create_user(tenant, user).await.unwrap();
    }
    let case = admin.create_case(tenant, "A case".to_owned()).await.unwrap();
    (tenant, case.id.get())
}

/// Returns a random API key that is not stored.
pub(crate) fn new_key() -> ApiKey {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    ApiKey::from_random_bytes(bytes)
}

impl App {
    /// Starts an app with default options.
    pub(crate) async fn start() -> Self {
        Self::builder().start().await
    }

    /// Returns a builder for an app with other options.
    pub(crate) fn builder() -> AppBuilder {
        AppBuilder::default()
    }

    /// Stores an API key and returns its id.
    pub(crate) async fn store_key(
        &self,
        tenant: TenantId,
        key: &ApiKey,
        scopes: &[Scope],
        expires_at: Option<SystemTime>,
    ) -> domain::KeyId {
        let scopes = scopes.iter().copied().collect();
        let (name, networks) = ("test".to_owned(), Networks::default());
        let new = NewApiKey { name, digest: key.digest(), scopes, networks, expires_at };
        self.admin.create_api_key(tenant, new).await.unwrap().principal.key
    }

    /// Creates an API key of the app's tenant with these scopes.
    pub(crate) async fn key_with(&self, scopes: &[Scope]) -> ApiKey {
        let key = new_key();
        self.store_key(self.tenant, &key, scopes, None).await;
        key
    }

    /// Creates another tenant with users, a case and a key that may write. Returns the ids of the
    /// tenant and the case, and the key.
    pub(crate) async fn other_tenant(&self) -> (TenantId, i64, ApiKey) {
        let (tenant, case_id) = populate(&self.admin, "Another").await;
        let key = new_key();
        self.store_key(tenant, &key, &[Scope::TasksWrite], None).await;
        (tenant, case_id, key)
    }

    /// Returns the path of batch create for the app's case.
    pub(crate) fn batch_path(&self) -> String {
        format!("/api/v2/cases/{}/tasks/batch", self.case_id)
    }

    /// Returns a request to the gateway, without a key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.http_addr))
    }

    /// Returns a request to create tasks in the app's case, with the app's key and without a body.
    pub(crate) fn post(&self) -> RequestBuilder {
        self.request(Method::POST, &self.batch_path())
            .bearer_auth(self.key.expose())
            .header("content-type", "application/json")
    }

    /// Creates tasks in the app's case over REST, with the app's key.
    pub(crate) async fn create(&self, body: impl Into<reqwest::Body>) -> Reply {
        Reply::of(self.post().body(body)).await
    }

    /// Returns a gRPC client of the server. Its calls have no key.
    pub(crate) async fn grpc_client(&self) -> TaskServiceClient<Channel> {
        TaskServiceClient::new(self.channel().await)
    }

    /// Opens a gRPC connection to the server.
    pub(crate) async fn channel(&self) -> Channel {
        self.channel_on(&self.grpc_addr.to_string()).await
    }

    /// Opens a gRPC connection to the server, for calls to this authority.
    pub(crate) async fn channel_on(&self, authority: &str) -> Channel {
        let endpoint = Endpoint::try_from(format!("http://{}", self.grpc_addr)).unwrap();
        let origin = format!("http://{authority}").parse().unwrap();
        endpoint.origin(origin).connect().await.unwrap()
    }

    /// Returns a gRPC request with the app's key.
    pub(crate) fn with_key<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        let value = format!("Bearer {}", self.key.expose()).parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        request
    }

    /// Starts another server on the app's database, with options.
    pub(crate) async fn start_server(&self, args: &[&str]) -> SocketAddr {
        start_server(self.database.url(), args, &self.shutdown).await
    }

    /// Starts another gateway for the app's server, with options.
    pub(crate) async fn start_gateway(&self, args: &[&str]) -> SocketAddr {
        start_gateway_with(self.grpc_addr, args, &self.shutdown).await
    }

    /// Returns the numbers of tasks and of assignees, of all tenants together.
    pub(crate) fn row_counts(&self) -> (u64, u64) {
        let count =
            |table| self.database.query(&format!("SELECT count(*) FROM {table}")).parse().unwrap();
        (count("tasks"), count("task_assignees"))
    }
}
