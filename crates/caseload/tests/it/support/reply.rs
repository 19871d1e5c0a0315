//! Responses of the REST API, with the checks that hold for all of them.

use reqwest::{RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::Value;

use super::contract;

/// A response of the REST API, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// Returns an HTTP client that ignores the proxies of the environment.
pub(crate) fn http_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Reply {
    /// Sends a request and reads the response, whose body must be JSON; or nothing, if the status says
    /// so. It must be as documented.
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let (client, request) = request.build_split();
        let request = request.unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = client.execute(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = match status {
            StatusCode::NO_CONTENT if text.is_empty() => Value::Null,
            _ => serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text:?}")),
        };
        contract::check(&method, &path, status, &headers, &body);
        Self { status, headers, body }
    }

    /// Returns the value of a header, or an empty string where it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the problem document after checking what holds for all of them. The request id,
    /// which differs each time, is replaced by a fixed text.
    pub(crate) fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], self.status.as_u16());
        assert_ne!(self.header("x-request-id"), "");
        assert_eq!(self.body["request_id"], self.header("x-request-id"));
        let mut problem = self.body.clone();
        problem["request_id"] = "(the x-request-id)".into();
        problem
    }

    /// Returns `REASON pointer` for each item of the problem's `errors`; `-` stands for an item
    /// without a pointer.
    pub(crate) fn violations(&self) -> Vec<String> {
        let errors = self.body["errors"].as_array().expect("a problem");
        errors
            .iter()
            .map(|item| {
                let pointer = item["pointer"].as_str().unwrap_or("-");
                format!("{} {pointer}", item["details"].as_str().unwrap())
            })
            .collect()
    }

    /// Returns the created tasks.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Value> {
        self.body["tasks"].as_array().unwrap_or_else(|| panic!("{self:?}")).iter()
    }

    /// Returns the descriptions of the created tasks, in order.
    pub(crate) fn descriptions(&self) -> Vec<&str> {
        self.tasks().map(|task| task["description"].as_str().unwrap()).collect()
    }
}
