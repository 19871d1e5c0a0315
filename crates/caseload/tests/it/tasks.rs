//! The life of a task after it was created in a batch: every other call, over REST and gRPC.

mod batches;
mod changes;
mod concurrency;
mod event_pages;
mod event_sweep;
mod event_windows;
mod events;
mod lists;
mod outcomes;
mod problems;
mod steady_sweep;
mod trials;

use domain::{ApiKey, Scope};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{App, Reply};

/// A client of the REST API whose key may read and write.
struct Client<'a> {
    app: &'a App,
    key: ApiKey,
}

impl<'a> Client<'a> {
    async fn new(app: &'a App) -> Self {
        Self { app, key: app.key_with(&[Scope::TasksRead, Scope::TasksWrite]).await }
    }

    /// The path of the app's case, and what follows it.
    fn path(&self, rest: &str) -> String {
        format!("/api/v2/cases/{}/tasks{rest}", self.app.case_id)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.app.request(method, path).bearer_auth(self.key.expose())
    }

    async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::GET, path)).await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Reply {
        Reply::of(self.request(method, path).json(body)).await
    }

    /// Creates a task in the app's case. Returns it, and its entity tag.
    async fn create(&self, description: &str, emails: &[&str]) -> (Value, String) {
        let body = json!({"description": description, "assignee_emails": emails});
        let reply = self.send(Method::POST, &self.path(""), &body).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        (reply.body["task"].clone(), reply.header("etag").to_owned())
    }

    /// A gRPC request with the client's key.
    fn with_key<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        let value = format!("Bearer {}", self.key.expose()).parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        request
    }
}

/// The path of a task, after that of its case.
fn of(task: &Value) -> String {
    format!("/{}", task["id"])
}

/// The emails of a task's assignees.
fn emails(task: &Value) -> Vec<&str> {
    let assignees = task["assignees"].as_array().unwrap();
    assignees.iter().map(|user| user["email"].as_str().unwrap()).collect()
}
