//! Makes calls.

use std::{
    sync::{Arc, LazyLock, atomic::Ordering::Relaxed},
    time::Duration,
};

use http::{HeaderMap, HeaderValue};
use prometheus_client::registry::Registry;
use proto::wire::{header, limits};
use runtime::CancellationToken;
use telemetry::metrics::Reading;
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::{
    attempts::Attempts, call_span::CallSpan, channel::Channel, clock, failure::Failure,
    origin::OriginResponses, reply::Reply, retry::Retry, servers::Servers, transport::Transport,
};
use crate::extract::CallOptions;

/// The metadata of a status that this client takes, so that problem documents are complete.
static MAX_STATUS_BYTES: LazyLock<HeaderValue> =
    LazyLock::new(|| HeaderValue::from(limits::MAX_STATUS_BYTES));

/// How long after its beginning a call is made again at most. The server keeps an idempotency key for a
/// minute at least: a repeat that comes later, after a long `--upstream-timeout`, could be done anew.
const REPEAT_FOR: Duration = Duration::from_secs(30);

/// Makes calls to the servers. Clones share the connections.
#[derive(Clone, Debug)]
pub(crate) struct Client<T = Channel> {
    servers: Arc<Servers<T>>,
    attempts: Attempts,
}

impl<T: Transport> Client<T> {
    /// Returns a client of these servers.
    pub(crate) fn new(servers: Servers<T>) -> Self {
        Self { servers: Arc::new(servers), attempts: Attempts::default() }
    }

    /// Registers what is counted of calls, and whether the gateway is ready: it is not once the token is cancelled.
    pub(crate) fn register_metrics(&self, registry: &mut Registry, shutdown: CancellationToken) {
        self.attempts.register(registry);
        let found_serving = self.servers.found_serving();
        registry.register(
            "gateway_ready",
            "Whether the gateway was ready (1) or not (0) when /readyz was last asked; 0 before that",
            Reading(move || i64::from(!shutdown.is_cancelled() && found_serving.load(Relaxed))),
        );
    }

    /// Makes a call in the caller's name, again where the policy allows it. If there are several
    /// servers, each attempt goes to the next one.
    ///
    /// # Errors
    /// The failure of the call, given those of all its attempts.
    pub(crate) async fn call<M, R, F>(
        &self,
        retry: Retry,
        options: CallOptions,
        message: M,
        method: impl Fn(OriginResponses<T>, Request<M>) -> F,
    ) -> Result<Reply<R>, Failure>
    where
        M: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let CallOptions { idempotency_key, deadline, mut metadata } = options;
        metadata.insert(&header::MAX_STATUS_BYTES, MAX_STATUS_BYTES.clone());
        let mut was_lost = false;
        let repeat_until = Instant::now() + REPEAT_FOR;
        for pause in Retry::pauses() {
            let request = request(metadata.clone(), message.clone(), deadline);
            match self.counted_attempt(request, deadline, &method).await {
                Err(failure)
                    if Instant::now() + *pause < repeat_until
                        && retry.repeats_after(&failure, idempotency_key.is_some()) =>
                {
                    was_lost |= matches!(failure, Failure::Lost);
                }
                result => return result.map_err(|failure| retry.conclude(failure, was_lost)),
            }
            sleep_until(deadline.min(Instant::now() + *pause)).await;
        }
        let request = request(metadata, message, deadline);
        let result = self.counted_attempt(request, deadline, &method).await;
        result.map_err(|failure| retry.conclude(failure, was_lost))
    }

    async fn counted_attempt<M, R, F>(
        &self,
        request: Request<M>,
        deadline: Instant,
        method: impl Fn(OriginResponses<T>, Request<M>) -> F,
    ) -> Result<Reply<R>, Failure>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let counted = self.attempts.begin();
        let result = self.attempt(request, deadline, method).await;
        counted.end(&result);
        result
    }

    async fn attempt<M, R, F>(
        &self,
        request: Request<M>,
        deadline: Instant,
        method: impl Fn(OriginResponses<T>, Request<M>) -> F,
    ) -> Result<Reply<R>, Failure>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let server = self.servers.next().ok_or(Failure::Unreached)?;
        let call = server.begin_call().ok_or(Failure::Unreached)?;
        let span = CallSpan::begin(server.uri());
        let transport = server.transport().in_span(span.span());
        // tonic's own timeout does not count the wait for a connection.
        let result = match timeout_at(deadline, method(transport, request)).await {
            Ok(result) => result.map_err(Failure::from),
            Err(_elapsed) => Err(Failure::TimedOut),
        };
        span.end(result.as_ref().err());
        if matches!(result, Err(Failure::Unreached | Failure::Lost)) {
            server.mark_down();
        }
        if !matches!(result, Err(Failure::TimedOut)) {
            call.answered();
        }
        result.map(Reply::from)
    }

    /// Returns whether any server reports that it serves.
    pub(crate) async fn is_serving(&self) -> bool {
        self.servers.any_serves().await
    }
}

#[cfg(test)]
impl<T: Transport> Client<T> {
    /// Returns a client of one server that is called over this transport.
    pub(crate) fn over(transport: T) -> Self {
        let server = super::servers::Server::new(http::Uri::default(), transport);
        Self::new(Servers::new([server]))
    }
}

fn request<M>(mut metadata: HeaderMap, message: M, deadline: Instant) -> Request<M> {
    metadata.extend(clock::now().map(|now| (header::SENT_AT.clone(), now)));
    let mut request = Request::new(message);
    *request.metadata_mut() = MetadataMap::from_headers(metadata);
    request.set_timeout(deadline.saturating_duration_since(Instant::now()));
    request
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use proto::{
        tasks::v1::{
            BatchCreateTasksRequest, BatchCreateTasksResponse, Task,
            task_service_client::TaskServiceClient,
            task_service_server::{TaskService, TaskServiceServer},
        },
        wire::{ERROR_DOMAIN, Reason},
    };
    use tokio::time::sleep;
    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;
    use crate::upstream::servers::Server;

    /// A service that fails with the listed statuses in turn, then succeeds.
    #[derive(Default)]
    struct Scripted {
        failures: Mutex<Vec<Status>>,
        calls: AtomicUsize,
        metadata: Mutex<MetadataMap>,
        /// How long each call takes.
        delay: Duration,
    }

    #[tonic::async_trait]
    impl TaskService for Scripted {
        async fn batch_create_tasks(
            &self,
            request: Request<BatchCreateTasksRequest>,
        ) -> Result<Response<BatchCreateTasksResponse>, Status> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            sleep(self.delay).await;
            *self.metadata.lock().unwrap() = request.metadata().clone();
            match self.failures.lock().unwrap().pop() {
                Some(status) => Err(status),
                None => {
                    let message =
                        BatchCreateTasksResponse { tasks: vec![Task { id: 7, ..Task::default() }] };
                    let mut response = Response::new(message);
                    response.metadata_mut().insert("ratelimit", "\"key\";r=1".parse().unwrap());
                    Ok(response)
                }
            }
        }
    }

    /// An error status of the server's.
    fn status(reason: Reason) -> Status {
        let details = ErrorDetails::with_error_info(reason.as_str(), ERROR_DOMAIN, []);
        Status::with_error_details(reason.code(), "", details)
    }

    /// A status that was not written by the server: the call is lost.
    fn lost() -> Status {
        Status::unknown("")
    }

    /// Calls a service in this process. Returns the result and the number of attempts.
    async fn call(
        retry: Retry,
        idempotency_key: Option<&str>,
        failures: Vec<Status>,
    ) -> (Result<Reply<BatchCreateTasksResponse>, Failure>, usize, MetadataMap) {
        let service = Scripted { failures: Mutex::new(failures), ..Scripted::default() };
        call_service(service, retry, idempotency_key).await
    }

    async fn call_service(
        service: Scripted,
        retry: Retry,
        idempotency_key: Option<&str>,
    ) -> (Result<Reply<BatchCreateTasksResponse>, Failure>, usize, MetadataMap) {
        let service = Arc::new(service);
        let transport = TaskServiceServer::from_arc(Arc::clone(&service));
        let server = Server::new("http://in.process".parse().unwrap(), transport);
        let client = Client::new(Servers::new([server]));
        let options = CallOptions {
            idempotency_key: idempotency_key.map(str::to_owned),
            deadline: Instant::now() + Duration::from_secs(3600),
            metadata: HeaderMap::new(),
        };
        let message = BatchCreateTasksRequest::default();
        let result = client
            .call(retry, options, message, |transport, request| async {
                TaskServiceClient::new(transport).batch_create_tasks(request).await
            })
            .await;
        let metadata = service.metadata.lock().unwrap().clone();
        (result, service.calls.load(Ordering::Relaxed), metadata)
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_can_be_made_to_a_service_in_the_same_process() {
        let (result, attempts, metadata) = call(Retry::IfUnreached, None, vec![]).await;
        let reply = result.unwrap();
        assert_eq!(reply.message.tasks[0].id, 7);
        assert_eq!(reply.rate_limits["ratelimit"], "\"key\";r=1");
        assert!(!reply.is_replay);
        assert_eq!(attempts, 1);
        assert_eq!(metadata.get("caseload-max-status-bytes").unwrap(), "1048576");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_call_is_made_again_where_the_policy_allows_it() {
        for (retry, key, attempts) in [
            (Retry::Always, None, 2),
            (Retry::WithKey, Some("key"), 2),
            (Retry::WithKey, None, 1),
            (Retry::IfUnreached, Some("key"), 1),
        ] {
            let (result, made, _) = call(retry, key, vec![lost()]).await;
            assert_eq!(made, attempts, "{retry:?}");
            match result {
                Ok(_) => assert_eq!(attempts, 2, "{retry:?}"),
                Err(failure) => {
                    assert!(matches!(failure, Failure::Lost), "{failure:?}");
                    assert_eq!(attempts, 1, "{retry:?}");
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_four_attempts_at_most() {
        for (retry, unknown) in [(Retry::Always, false), (Retry::WithKey, true)] {
            let (result, attempts, _) = call(retry, Some("key"), vec![lost(); 9]).await;
            assert_eq!(attempts, 4);
            assert_eq!(matches!(result, Err(Failure::Lost)), unknown, "{result:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_not_made_again_once_its_key_may_be_forgotten() {
        for (secs, expected) in [(9, 4), (14, 3), (29, 2), (31, 1)] {
            let service = Scripted {
                failures: Mutex::new(vec![lost(); 9]),
                delay: Duration::from_secs(secs),
                ..Scripted::default()
            };
            let (result, attempts, _) = call_service(service, Retry::WithKey, Some("key")).await;
            assert!(matches!(result, Err(Failure::Lost)), "{result:?}");
            assert_eq!(attempts, expected, "{secs} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_of_the_servers_is_not_followed_by_another_attempt() {
        for retry in [Retry::Always, Retry::WithKey, Retry::IfUnreached] {
            let failures = vec![status(Reason::Overloaded)];
            let (result, attempts, _) = call(retry, Some("key"), failures).await;
            assert!(matches!(result, Err(Failure::Status(_))), "{result:?}");
            assert_eq!(attempts, 1);
        }
    }
}
