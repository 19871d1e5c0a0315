//! Cases: every call about them, over REST and gRPC.

mod changes;
mod concurrency;
mod creation;
mod deletion;
mod idempotency;
mod lists;
mod model;
mod problems;

use domain::{ApiKey, Scope};
use proto::cases::v1::case_service_client::CaseServiceClient;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tonic::transport::Channel;

use crate::support::{App, Reply};

const CASES: &str = "/api/v2/cases";

/// A client of the REST API whose key may do everything with cases, and with tasks.
struct Client<'a> {
    app: &'a App,
    key: ApiKey,
}

impl<'a> Client<'a> {
    async fn new(app: &'a App) -> Self {
        Self { app, key: app.key_with(&Scope::ALL).await }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.app.request(method, path).bearer_auth(self.key.expose())
    }

    async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::GET, path)).await
    }

    async fn delete(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::DELETE, path)).await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Reply {
        Reply::of(self.request(method, path).json(body)).await
    }

    /// Creates a case with tasks of these descriptions. Returns its path, and the response.
    async fn create(&self, name: &str, tasks: &[&str]) -> (String, Reply) {
        let tasks: Vec<_> = tasks.iter().map(|text| json!({"description": text})).collect();
        let reply = self.send(Method::POST, CASES, &json!({"name": name, "tasks": tasks})).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        (format!("{CASES}/{}", reply.body["case_id"]), reply)
    }

    /// A gRPC request with the client's key.
    fn with_key<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        let value = format!("Bearer {}", self.key.expose()).parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        request
    }

    async fn grpc(&self) -> CaseServiceClient<Channel> {
        CaseServiceClient::new(self.app.channel().await)
    }
}

/// Returns the members of a case that do not differ each time.
fn stable(case: &Value) -> Value {
    let mut case = case.clone();
    for member in ["case_id", "created_at", "updated_at"] {
        assert!(!case[member].is_null(), "{case}");
        case.as_object_mut().unwrap().remove(member);
    }
    case
}
