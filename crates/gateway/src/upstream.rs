//! The way to the gRPC server.

use std::{error::Error, time::Duration};

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use proto::tasks::v1::{
    BatchCreateTasksRequest, BatchCreateTasksResponse, task_service_client::TaskServiceClient,
};
use runtime::request_id;
use tokio::time::{Instant, sleep_until};
use tonic::{
    ConnectError, Request, Status, TimeoutExpired,
    metadata::MetadataMap,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::Upstream;

/// The other header that the documented API takes a key from.
const USER_TOKEN: &str = "x-user-token";

/// 25 tasks with 50 unknown emails each make 1,250 faults, which a status carries in a header.
const MAX_HEADER_LIST_BYTES: u32 = 1024 * 1024;

/// A connection to the server, made when it is first needed and again when it is lost.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    tasks: TaskServiceClient<Channel>,
    health: HealthClient<Channel>,
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
}

/// Why a call has no answer to pass on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server refused it.
    Answered(Status),
    /// The server was not reached: nothing was done.
    Unreached,
    /// The time was over.
    TimedOut,
    /// The connection was lost before the answer came.
    Lost,
}

impl Client {
    pub(crate) fn new(upstream: &Upstream, timeout: Duration) -> Self {
        let channel = Endpoint::from(upstream.0.clone())
            .connect_timeout(Duration::from_secs(1))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .http2_max_header_list_size(MAX_HEADER_LIST_BYTES)
            .connect_lazy();
        Self {
            tasks: TaskServiceClient::new(channel.clone()),
            health: HealthClient::new(channel),
            timeout,
        }
    }

    /// The longest that a call may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Makes the call in the caller's name. One that reached no server is made again, and so is
    /// one that was lost and has a request id: neither can create anything twice.
    pub(crate) async fn batch_create_tasks(
        &self,
        headers: &HeaderMap,
        message: BatchCreateTasksRequest,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let metadata = metadata(headers);
        for pause in PAUSES {
            match self.try_batch_create_tasks(metadata.clone(), message.clone(), deadline).await {
                Err(Failure::Unreached) => {}
                Err(Failure::Lost) if !message.request_id.is_empty() => {}
                answer => return answer,
            }
            sleep_until(deadline.min(Instant::now() + pause)).await;
        }
        self.try_batch_create_tasks(metadata, message, deadline).await
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
        let answer = self.tasks.clone().batch_create_tasks(request).await.map_err(to_failure)?;
        let is_replay = answer.metadata().contains_key("idempotency-replayed");
        Ok(Answer { response: answer.into_inner(), is_replay })
    }

    /// Whether the server says that it serves.
    pub(crate) async fn is_serving(&self) -> bool {
        let mut request = Request::new(HealthCheckRequest::default());
        request.set_timeout(Duration::from_secs(1));
        let answer = self.health.clone().check(request).await;
        answer.is_ok_and(|answer| answer.get_ref().status() == ServingStatus::Serving)
    }
}

/// What is passed on: the request's id, and every key that the caller gave. Whether that is one
/// key, and a good one, is for the server to judge.
fn metadata(headers: &HeaderMap) -> MetadataMap {
    let mut passed = HeaderMap::new();
    if let Some(id) = headers.get(request_id::HEADER) {
        passed.insert(request_id::HEADER, id.clone());
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

/// Tells what the server said from what the transport made up on this side.
fn to_failure(status: Status) -> Failure {
    let mut source = Error::source(&status);
    if source.is_none() {
        return Failure::Answered(status);
    }
    while let Some(error) = source {
        if error.is::<TimeoutExpired>() {
            return Failure::TimedOut;
        }
        if error.is::<ConnectError>() {
            return Failure::Unreached;
        }
        source = error.source();
    }
    tracing::warn!(code = %status.code(), error = status.message(), "a call was lost");
    Failure::Lost
}
