//! The way to the gRPC servers.

mod failure;
mod foreign;
mod servers;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use proto::{
    tasks::v1::{BatchCreateTasksRequest, BatchCreateTasksResponse},
    wire::header,
};
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::{Request, metadata::MetadataMap};

pub(crate) use self::failure::{Failure, Refusal};
use self::servers::Servers;
use crate::Upstream;

/// The other header that the documented API takes a key from.
const USER_TOKEN: &str = "x-user-token";

/// Makes calls to the servers. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    servers: Arc<Servers>,
    timeout: Duration,
}

/// Before each further attempt. A server that is replaced is back, or another is found, by then.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(100), Duration::from_millis(400)];

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: BatchCreateTasksResponse,
    /// Whether an earlier request was answered so, which this one repeats.
    pub(crate) is_replay: bool,
    /// What is left to the caller, where there is a limit.
    pub(crate) rates: HeaderMap,
}

impl Client {
    /// Must be called on a runtime. It connects when it is first needed.
    pub(crate) fn new(upstream: &Upstream, timeout: Duration) -> Self {
        Self { servers: Arc::new(Servers::new(upstream)), timeout }
    }

    /// The longest that a call may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Makes the call in the caller's name. One that reached no server is made again, and so is
    /// one that was lost and has a request id: neither can create anything twice. Where there are
    /// several servers, it goes to another one then.
    pub(crate) async fn batch_create_tasks(
        &self,
        headers: &HeaderMap,
        message: BatchCreateTasksRequest,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let metadata = metadata(headers);
        let mut was_lost = false;
        for pause in PAUSES {
            match self.try_batch_create_tasks(metadata.clone(), message.clone(), deadline).await {
                Err(Failure::Unreached) => {}
                Err(Failure::Lost) if !message.request_id.is_empty() => was_lost = true,
                answer => return answer.map_err(|failure| failure.after(was_lost)),
            }
            sleep_until(deadline.min(Instant::now() + pause)).await;
        }
        let answer = self.try_batch_create_tasks(metadata, message, deadline).await;
        answer.map_err(|failure| failure.after(was_lost))
    }

    async fn try_batch_create_tasks(
        &self,
        metadata: MetadataMap,
        message: BatchCreateTasksRequest,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let mut request = Request::new(message);
        *request.metadata_mut() = metadata;
        request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        let server = self.servers.next().ok_or(Failure::Unreached)?;
        let mut tasks = server.tasks();
        // tonic's own limit doesn't count the wait for a connection.
        let answer = match timeout_at(deadline, tasks.batch_create_tasks(request)).await {
            Ok(answer) => answer.map_err(Failure::from),
            Err(_elapsed) => Err(Failure::TimedOut),
        };
        if matches!(answer, Err(Failure::Unreached | Failure::Lost)) {
            server.pass_over();
        }
        let answer = answer?;
        let is_replay = answer.metadata().contains_key("idempotency-replayed");
        let rates = rates(answer.metadata());
        Ok(Answer { response: answer.into_inner(), is_replay, rates })
    }

    /// Whether any server says that it serves.
    pub(crate) async fn is_serving(&self) -> bool {
        self.servers.any_serves().await
    }
}

/// What a call has come to that is answered so, if it is answered with a status.
#[cfg(feature = "fuzzing")]
pub(crate) fn failure_of(answer: http::Response<tonic::body::Body>) -> Option<Failure> {
    match foreign::own_or_error(answer) {
        // What tonic does with it then.
        Ok(answer) => tonic::Status::from_header_map(answer.headers()).map(Failure::from),
        Err(foreign) => Some(tonic::Status::from_error(foreign).into()),
    }
}

/// The headers that tell a caller what is left of its rate, as the server wrote them.
pub(crate) fn rates(metadata: &MetadataMap) -> HeaderMap {
    let written = metadata.as_ref();
    [HeaderName::from_static("ratelimit-policy"), HeaderName::from_static("ratelimit")]
        .into_iter()
        .filter_map(|name| Some((name.clone(), written.get(name)?.clone())))
        .collect()
}

/// What is passed on: the request's id, and every key that the caller gave. Whether that is one
/// key, and a good one, is for the server to judge.
fn metadata(headers: &HeaderMap) -> MetadataMap {
    let mut passed = HeaderMap::new();
    if let Some(id) = headers.get(&header::REQUEST_ID) {
        passed.insert(header::REQUEST_ID.clone(), id.clone());
    }
    for authorization in headers.get_all(AUTHORIZATION) {
        passed.append(AUTHORIZATION, authorization.clone());
    }
    for token in headers.get_all(USER_TOKEN) {
        passed.append(AUTHORIZATION, bearer(token));
    }
    MetadataMap::from_headers(passed)
}

fn bearer(token: &HeaderValue) -> HeaderValue {
    let value = [b"Bearer ", token.as_bytes()].concat();
    // What was a header's value is one behind a word, too.
    HeaderValue::from_bytes(&value).unwrap_or(HeaderValue::from_static(""))
}
