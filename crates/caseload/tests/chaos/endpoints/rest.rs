//! REST requests, made once.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use super::{Endpoints, Failure};

/// The time that a client grants over REST, if it does: the response that its time is over comes before
/// the client stops waiting. Over gRPC the client library does not wait for it.
const GRANTED_SECONDS: &str = "1.5";

/// A response to a request that has succeeded.
pub(super) struct Reply {
    status: StatusCode,
    /// Empty if there is none.
    pub(super) etag: String,
    pub(super) is_replay: bool,
    pub(super) body: Vec<u8>,
}

impl Endpoints {
    /// Returns a request about this path below `/api/v2`.
    pub(super) fn request(
        &self,
        method: Method,
        gateway: usize,
        path: &str,
        tenant: usize,
        sends_deadline: bool,
    ) -> RequestBuilder {
        let url = format!("http://{}/api/v2/{path}", self.rest[gateway]);
        let request = self.http.request(method, url).bearer_auth(self.api_keys[tenant].expose());
        if sends_deadline { request.header("request-timeout", GRANTED_SECONDS) } else { request }
    }
}

impl Reply {
    /// Sends a request.
    pub(super) async fn to(request: RequestBuilder) -> Result<Self, Failure> {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Err(Failure::no_connection()),
            Err(_) => return Err(Failure::unknown("connection lost")),
        };
        let status = response.status();
        let headers = response.headers();
        let etag = headers.get("etag").map_or("", |etag| etag.to_str().unwrap()).to_owned();
        let is_replay = headers.contains_key("idempotency-replayed");
        let Ok(body) = response.bytes().await else {
            return Err(Failure::unknown("connection lost within the response"));
        };
        let reply = Self { status, etag, is_replay, body: body.into() };
        if status.is_success() {
            return Ok(reply);
        }
        let problem = reply.json();
        let reason = problem["errors"][0]["details"].as_str().unwrap_or("no reason");
        Err(Failure::of_response(status.as_u16(), reason))
    }

    /// Returns the reply if it says that something was created.
    pub(super) fn created(self) -> Result<Self, Failure> {
        match self.status {
            StatusCode::CREATED => Ok(self),
            status => Err(Failure::Unexpected(format!("{status} instead of 201"))),
        }
    }

    /// Returns the body; null if it is not JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}
