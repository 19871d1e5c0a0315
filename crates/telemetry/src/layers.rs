//! The middleware stack that both programs put around their services.

use tower::Layer;
use tower_http::{
    classify::{ServerErrorsAsFailures, SharedClassifier},
    request_id::{MakeRequestUuid, PropagateRequestId, SetRequestId},
    trace::{Trace, TraceLayer},
};

use proto::wire::header::REQUEST_ID;

use crate::{request_id::DropUnusableId, request_log::LogResponse, request_span::MakeRequestSpan};

/// Identifies, traces and logs every request. From the outside in, it
///
/// 1. removes a request id that is unusable: repeated, empty, longer than 128 bytes, or with
///    anything but visible ASCII characters;
/// 2. sets a UUID as the request id if there is none;
/// 3. opens the span of the request, see [`record_caller`](crate::record_caller);
/// 4. logs how the request ended;
/// 5. copies the request id to the response.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestLayers;

/// A service inside [`RequestLayers`].
pub type RequestService<S> =
    DropUnusableId<SetRequestId<Traced<PropagateRequestId<S>>, MakeRequestUuid>>;

/// A service whose requests have a span and a log line. Nothing is recorded when a body ends or
/// fails, so the classifier makes no difference.
type Traced<S> = Trace<
    S,
    SharedClassifier<ServerErrorsAsFailures>,
    MakeRequestSpan,
    (),
    LogResponse,
    (),
    (),
    (),
>;

impl<S> Layer<S> for RequestLayers {
    type Service = RequestService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let trace = TraceLayer::new_for_http()
            .make_span_with(MakeRequestSpan)
            .on_request(())
            .on_response(LogResponse)
            .on_body_chunk(())
            .on_eos(())
            .on_failure(());
        let inner = trace.layer(PropagateRequestId::new(inner, REQUEST_ID.clone()));
        DropUnusableId::new(SetRequestId::new(inner, REQUEST_ID.clone(), MakeRequestUuid))
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Arc};

    use http::{Request, Response};
    use serde_json::Value;
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};
    use tracing::{Level, subscriber};

    use crate::{PeerIdentity, logs::tests::Lines, record_caller, request_id};

    use super::*;

    const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

    /// Sends a request through the layers to a service that logs `handled`. Returns the response,
    /// and the lines of the JSON log.
    async fn send(
        request: Request<String>,
        response: Response<String>,
        handle: impl Fn(&Request<String>),
    ) -> (Response<()>, Vec<Value>) {
        let lines = Arc::new(Lines::default());
        let _guard = subscriber::set_default(Lines::subscriber(&lines, Level::DEBUG));
        let response = std::sync::Mutex::new(Some(response));
        let service = ServiceBuilder::new().layer(RequestLayers).service(service_fn(
            async |request: Request<String>| {
                handle(&request);
                tracing::info!("handled");
                Ok::<_, Infallible>(response.lock().unwrap().take().unwrap())
            },
        ));
        let response = service.oneshot(request).await.unwrap();
        (response.map(drop), lines.parsed())
    }

    fn get(headers: &[(&str, &str)]) -> Request<String> {
        let request = Request::get("/cases?q=secret");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(String::new()).unwrap()
    }

    fn respond(status: u16, headers: &[(&str, &str)]) -> Response<String> {
        let response = Response::builder().status(status);
        let response =
            headers.iter().fold(response, |response, (name, value)| response.header(*name, *value));
        response.body(String::new()).unwrap()
    }

    #[tokio::test]
    async fn a_log_line_has_the_request_the_caller_and_the_trace() {
        let traceparent = format!("00-{TRACE_ID}-b7ad6b7169203331-01");
        let request = get(&[("x-request-id", "the-id"), ("traceparent", &traceparent)]);
        let (response, log) = send(request, respond(200, &[]), |request| {
            assert_eq!(request_id::of(request.extensions()), "the-id");
            tracing::info!("before");
            record_caller(3, 7);
        })
        .await;
        assert_eq!(response.headers()["x-request-id"], "the-id");
        let [before, handled, completed] = &log[..] else { panic!("{log:?}") };
        assert_eq!(before["span"].get("tenant"), None);
        for line in [handled, completed] {
            let span = &line["span"];
            assert_eq!((&span["tenant"], &span["key_id"]), (&3.into(), &7.into()));
            assert_eq!((&span["name"], &span["request_id"]), (&"request".into(), &"the-id".into()));
            assert_eq!((&span["method"], &span["path"]), (&"GET".into(), &"/cases".into()));
            assert_eq!(span["trace_id"], TRACE_ID);
        }
        assert_eq!(
            (&completed["level"], &completed["message"]),
            (&"DEBUG".into(), &"request completed".into())
        );
        assert_eq!(completed["status"], 200);
    }

    #[tokio::test]
    async fn a_log_line_has_the_identity_of_a_client_with_a_certificate() {
        for identity in [None, Some("spiffe://example/ns/gateway")] {
            let mut request = get(&[]);
            if let Some(name) = identity {
                request.extensions_mut().insert(PeerIdentity::new(name));
            }
            let (_, log) = send(request, respond(404, &[]), |_| {}).await;
            for line in log {
                let logged = line["span"].get("client_identity");
                assert_eq!(logged.and_then(Value::as_str), identity, "{line}");
            }
        }
    }

    #[tokio::test]
    async fn a_request_without_a_usable_id_gets_a_uuid() {
        for ids in
            [&[][..], &[("x-request-id", "a b")], &[("x-request-id", "a"), ("x-request-id", "a")]]
        {
            let (response, log) = send(get(ids), respond(200, &[]), |_| {}).await;
            let ids: Vec<_> = response.headers().get_all("x-request-id").iter().collect();
            let [id] = ids[..] else { panic!("{ids:?}") };
            assert_eq!(id.len(), 36, "{id:?}");
            assert_eq!(log[0]["span"]["request_id"], id.to_str().unwrap());
            assert_eq!(log[0]["span"].get("trace_id"), None);
        }
    }

    #[tokio::test]
    async fn the_last_log_line_says_how_the_request_ended() {
        for (status, headers, level, message) in [
            (201, &[][..], "DEBUG", "request completed"),
            (404, &[], "INFO", "request rejected"),
            (200, &[("grpc-status", "3")], "INFO", "request rejected"),
            (502, &[], "WARN", "request failed"),
            (200, &[("grpc-status", "13")], "WARN", "request failed"),
        ] {
            let (_, log) = send(get(&[]), respond(status, headers), |_| {}).await;
            let line = log.last().unwrap();
            assert_eq!((&line["level"], &line["message"]), (&level.into(), &message.into()));
            assert_eq!(line["status"], status);
            assert!(line["micros"].is_u64(), "{line}");
            let grpc_status =
                headers.first().map_or(Value::Null, |(_, code)| code.parse().unwrap());
            assert_eq!(line["grpc_status"], grpc_status);
        }
    }

    /// The only test that throttles: the interval is one for the process.
    #[tokio::test]
    async fn throttled_requests_have_one_log_line_per_interval() {
        let respond = || respond(200, &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "640")]);
        let (_, log) = send(get(&[]), respond(), |_| {}).await;
        let line = log.last().unwrap();
        assert_eq!(
            (&line["level"], &line["message"]),
            (&"WARN".into(), &"request throttled".into())
        );
        assert_eq!((&line["status"], &line["grpc_status"]), (&200.into(), &14.into()));
        assert_eq!((&line["retry_after_ms"], &line["suppressed"]), (&640.into(), &0.into()));

        let (_, log) = send(get(&[]), respond(), |_| {}).await;
        assert_eq!(log.last().unwrap()["message"], "handled");
    }
}
