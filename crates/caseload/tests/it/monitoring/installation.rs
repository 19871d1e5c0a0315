//! A server and a gateway as processes, with admin ports.

use std::net::SocketAddr;

use domain::Scope;
use reqwest::{Method, RequestBuilder, Response, StatusCode};

use super::scrape::Scrape;
use crate::support::{
    App, ONE_TASK, Program, Reply, gateway_path, http_client, polling::eventually,
    start_server_process_with_env,
};

/// A server and a gateway as processes, on the data of an [`App`], whose requests go to them.
pub(super) struct Installation {
    pub(super) app: App,
    pub(super) server: Process,
    pub(super) gateway: Process,
}

/// A process with an admin port.
pub(super) struct Process {
    pub(super) program: Program,
    pub(super) addr: SocketAddr,
    admin: SocketAddr,
    http: reqwest::Client,
}

/// Options, and environment variables.
type Configured<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);

const ADMIN: [&str; 2] = ["--admin-addr", "127.0.0.1:0"];

impl Installation {
    /// Starts both, with more options, and waits until they are ready.
    pub(super) async fn start(server_args: &[&str], gateway_args: &[&str]) -> Self {
        Self::start_with_env((server_args, &[]), (gateway_args, &[])).await
    }

    /// Starts both, with more options and environment variables, and waits until they are ready.
    pub(super) async fn start_with_env(server: Configured<'_>, gateway: Configured<'_>) -> Self {
        Self::start_calling("http", server, gateway).await
    }

    /// Starts both, where the URL of the server has this scheme, and waits until they are ready.
    pub(super) async fn start_calling(
        scheme: &str,
        server: Configured<'_>,
        gateway: Configured<'_>,
    ) -> Self {
        let mut app = App::start().await;
        let server = Process::server_with_env(app.database.url().expose(), server);
        server.await_ready().await;
        let upstream = format!("{scheme}://{}", server.addr);
        let gateway = Process::gateway_with_env(&upstream, gateway);
        gateway.await_ready().await;
        app.database.await_listeners(2);
        (app.grpc_addr, app.http_addr) = (server.addr, gateway.addr);
        Self { app, server, gateway }
    }

    /// Makes calls of many kinds, some of which fail.
    pub(super) async fn work(&self) {
        let app = &self.app;
        let reader = app.key_with(&[Scope::TasksRead, Scope::TasksWrite, Scope::CasesRead]).await;
        for _ in 0..2 {
            let request = app.post().header("idempotency-key", "the-same").body(ONE_TASK);
            assert_eq!(Reply::of(request).await.status, 201);
        }
        let created = app.create(ONE_TASK).await;
        let task = created.body["tasks"][0]["id"].as_i64().unwrap();
        let tasks = format!("/api/v2/cases/{}/tasks", app.case_id);
        for (method, path, body, status) in [
            (Method::GET, format!("{tasks}/{task}"), "", 200),
            (Method::GET, tasks.clone(), "", 200),
            (Method::GET, format!("{tasks}/{task}/events"), "", 200),
            (Method::PUT, format!("{tasks}/{task}"), r#"{"completed":true}"#, 200),
            (Method::DELETE, format!("{tasks}/{task}"), "", 200),
            (Method::GET, format!("{tasks}/{task}"), "", 404),
            (Method::POST, format!("{tasks}/batch"), r#"{"tasks":[]}"#, 400),
            (Method::GET, "/nothing".to_owned(), "", 404),
            (Method::PATCH, tasks.clone(), "", 405),
        ] {
            let request = app.request(method.clone(), &path).bearer_auth(reader.expose());
            let request = request.header("content-type", "application/json").body(body);
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), status, "{method} {path}");
        }
        // Its time is over before it is begun, or while it is.
        let request = app.request(Method::GET, &tasks).bearer_auth(reader.expose());
        let late = request.header("request-timeout", "0.001").send().await.unwrap();
        assert!([200, 504].contains(&late.status().as_u16()), "{}", late.status());
        let cases = app.request(Method::GET, "/api/v2/cases").bearer_auth(reader.expose());
        assert_eq!(cases.send().await.unwrap().status(), 200);
    }
}

impl Process {
    /// Starts a server.
    pub(super) fn server(database_url: &str, args: &[&str]) -> Self {
        Self::server_with_env(database_url, (args, &[]))
    }

    fn server_with_env(database_url: &str, (args, variables): Configured<'_>) -> Self {
        let args = [&["--grpc-addr", "127.0.0.1:0"], &ADMIN[..], args].concat();
        let program = start_server_process_with_env(database_url, &args, variables);
        Self::of(program, "serving gRPC")
    }

    /// Starts a gateway.
    pub(super) fn gateway(upstream: &str, args: &[&str]) -> Self {
        Self::gateway_with_env(upstream, (args, &[]))
    }

    fn gateway_with_env(upstream: &str, (args, variables): Configured<'_>) -> Self {
        let fixed = ["--http-addr", "127.0.0.1:0", "--upstream", upstream];
        let args = [&fixed, &ADMIN[..], args].concat();
        let program = Program::start_with_env(&gateway_path(), &args, variables);
        Self::of(program, "serving REST")
    }

    fn of(program: Program, message: &str) -> Self {
        let admin = program.wait_for_address("serving the admin port");
        let addr = program.wait_for_address(message);
        Self { program, addr, admin, http: http_client() }
    }

    /// Returns the address of the admin port.
    pub(super) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Returns a request to the admin port.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.admin))
    }

    /// Sends a GET request to the admin port.
    pub(super) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// Reads the metrics.
    pub(super) async fn scrape(&self) -> Scrape {
        let response = self.get("/metrics").await;
        assert_eq!(response.status(), StatusCode::OK);
        Scrape::parse(&response.text().await.unwrap())
    }

    /// Waits until it is ready.
    pub(super) async fn await_ready(&self) {
        self.await_readiness(StatusCode::OK).await;
    }

    /// Waits until `/readyz` has this status.
    pub(super) async fn await_readiness(&self, status: StatusCode) {
        eventually("readiness", async || {
            (self.get("/readyz").await.status() == status).then_some(())
        })
        .await;
    }
}
