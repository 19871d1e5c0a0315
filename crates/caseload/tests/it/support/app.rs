//! Caseload, running: a server and a gateway on sockets of their own, with data and clients.

use std::{net::SocketAddr, time::SystemTime};

use clap::Args;
use domain::{ApiKey, Email, Scope, TenantId};
use gateway::{Gateway, GatewayOptions};
use proto::tasks::v1::task_service_client::TaskServiceClient;
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};
use runtime::{CancellationToken, shutdown::DrainOptions};
use serde_json::Value;
use server::{Server, ServerOptions};
use serving::ConnectionOptions;
use store::{Database, DatabaseUrl, NewApiKey, NewUser};
use tonic::transport::{Channel, Endpoint};

use super::TestDatabase;

/// A running Caseload, with a tenant, its three users of the document, a case, and a key that may
/// write. It ends with the test.
pub(crate) struct App {
    pub(crate) database: TestDatabase,
    pub(crate) admin: Database,
    pub(crate) grpc_addr: SocketAddr,
    pub(crate) http_addr: SocketAddr,
    pub(crate) tenant: TenantId,
    pub(crate) case_id: i64,
    pub(crate) key: ApiKey,
    pub(crate) ending: CancellationToken,
    http: reqwest::Client,
}

/// How an [`App`] is started: with options as on the command line.
#[derive(Default)]
pub(crate) struct AppBuilder {
    server_args: Vec<&'static str>,
}

/// An answer of the REST API, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// What a door is started with.
#[derive(Args)]
struct DoorOptions<T: Args> {
    #[command(flatten)]
    door: T,
    #[command(flatten)]
    connections: ConnectionOptions,
    #[command(flatten)]
    drain: DrainOptions,
}

impl AppBuilder {
    pub(crate) fn server_args(mut self, args: &[&'static str]) -> Self {
        self.server_args.extend(args);
        self
    }

    pub(crate) async fn start(self) -> App {
        self.start_on(TestDatabase::create()).await
    }

    pub(crate) async fn start_on(self, database: TestDatabase) -> App {
        let admin = database.open();
        let (tenant, case_id) = populate(&admin, "Acme").await;
        let ending = CancellationToken::new();

        let grpc_addr = start_server(database.url(), &self.server_args, &ending).await;
        let http_addr = start_gateway(grpc_addr, &ending).await;

        let key = new_key();
        let app = App {
            database,
            admin,
            grpc_addr,
            http_addr,
            tenant,
            case_id,
            key: key.clone(),
            ending,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        };
        app.store_key(tenant, &key, &[Scope::TasksWrite], None).await;
        app
    }
}

/// A server before a database. Returns where it listens.
pub(crate) async fn start_server(
    database_url: &DatabaseUrl,
    more_args: &[&str],
    ending: &CancellationToken,
) -> SocketAddr {
    let mut args = more_args.to_vec();
    for [name, value] in [["--grpc-addr", "127.0.0.1:0"], ["--writers", "2"], ["--readers", "2"]] {
        if !args.contains(&name) {
            args.extend([name, value]);
        }
    }
    let DoorOptions::<ServerOptions> { door, connections, drain } = options(&args);
    let server = Server::bind(door, database_url).await.unwrap();
    let grpc_addr = server.local_addr();
    tokio::spawn(server.run(connections, drain, ending.clone()));
    grpc_addr
}

/// One more gateway before a server. Returns where it listens.
pub(crate) async fn start_gateway(grpc_addr: SocketAddr, ending: &CancellationToken) -> SocketAddr {
    start_gateway_with(grpc_addr, &[], ending).await
}

/// The same, with options.
pub(crate) async fn start_gateway_with(
    grpc_addr: SocketAddr,
    more_args: &[&str],
    ending: &CancellationToken,
) -> SocketAddr {
    let upstream = format!("http://{grpc_addr}").parse().unwrap();
    let args = [&["--http-addr", "127.0.0.1:0"], more_args].concat();
    let DoorOptions::<GatewayOptions> { door, connections, drain } = options(&args);
    let gateway = Gateway::bind(&door, &upstream).await.unwrap();
    let http_addr = gateway.local_addr();
    tokio::spawn(gateway.run(connections, drain, ending.clone()));
    http_addr
}

/// Options as the command line would give them.
pub(crate) fn options<T: Args>(args: &[&str]) -> T {
    let command = T::augment_args(clap::Command::new("test").no_binary_name(true));
    T::from_arg_matches(&command.get_matches_from(args)).unwrap()
}

/// A tenant with the document's users and a case.
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

pub(crate) fn new_key() -> ApiKey {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    ApiKey::from_random_bytes(bytes)
}

impl App {
    /// A running Caseload with the options' defaults.
    pub(crate) async fn start() -> Self {
        Self::builder().start().await
    }

    pub(crate) fn builder() -> AppBuilder {
        AppBuilder::default()
    }

    /// Stores a key and returns its id.
    pub(crate) async fn store_key(
        &self,
        tenant: TenantId,
        key: &ApiKey,
        scopes: &[Scope],
        expires_at: Option<SystemTime>,
    ) -> domain::KeyId {
        let scopes = scopes.iter().copied().collect();
        let new = NewApiKey { name: "test".to_owned(), digest: key.digest(), scopes, expires_at };
        self.admin.create_api_key(tenant, new).await.unwrap().principal.key
    }

    /// A new key of the app's tenant.
    pub(crate) async fn key_with(&self, scopes: &[Scope]) -> ApiKey {
        let key = new_key();
        self.store_key(self.tenant, &key, scopes, None).await;
        key
    }

    /// One more tenant, with users and a case of its own and a key that may write.
    pub(crate) async fn other_tenant(&self) -> (TenantId, i64, ApiKey) {
        let (tenant, case_id) = populate(&self.admin, "Another").await;
        let key = new_key();
        self.store_key(tenant, &key, &[Scope::TasksWrite], None).await;
        (tenant, case_id, key)
    }

    pub(crate) fn batch_path(&self) -> String {
        format!("/api/v2/cases/{}/tasks/batch", self.case_id)
    }

    /// A request to the gateway, without a key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.http_addr))
    }

    /// A request to create tasks in the app's case, with its key; the body is to be added.
    pub(crate) fn post(&self) -> RequestBuilder {
        self.request(Method::POST, &self.batch_path())
            .bearer_auth(self.key.expose())
            .header("content-type", "application/json")
    }

    /// Creates tasks in the app's case, with its key.
    pub(crate) async fn create(&self, body: impl Into<reqwest::Body>) -> Reply {
        Reply::of(self.post().body(body)).await
    }

    /// A gRPC client of the server, without a key.
    pub(crate) async fn grpc(&self) -> TaskServiceClient<Channel> {
        TaskServiceClient::new(self.channel().await)
    }

    /// A connection to the server.
    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = Endpoint::try_from(format!("http://{}", self.grpc_addr)).unwrap();
        endpoint.connect().await.unwrap()
    }

    /// A message with the app's key.
    pub(crate) fn signed<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        let value = format!("Bearer {}", self.key.expose()).parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        request
    }

    /// How many tasks and assignments there are, of all tenants.
    pub(crate) fn row_counts(&self) -> (u64, u64) {
        let count =
            |table| self.database.query(&format!("SELECT count(*) FROM {table}")).parse().unwrap();
        (count("tasks"), count("task_assignees"))
    }
}

impl Reply {
    /// Sends a request and reads its answer, which must be JSON.
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text:?}"));
        Self { status, headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The problem document, checked for what all of them have. Its request id, which differs each
    /// time, is replaced.
    pub(crate) fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], self.status.as_u16());
        assert_ne!(self.header("x-request-id"), "");
        assert_eq!(self.body["request_id"], self.header("x-request-id"));
        let mut problem = self.body.clone();
        problem["request_id"] = "(the x-request-id)".into();
        problem
    }

    /// `reason pointer` of each item of a problem.
    pub(crate) fn faults(&self) -> Vec<String> {
        let errors = self.body["errors"].as_array().expect("a problem");
        errors
            .iter()
            .map(|item| {
                let pointer = item["pointer"].as_str().unwrap_or("-");
                format!("{} {pointer}", item["details"].as_str().unwrap())
            })
            .collect()
    }
}
