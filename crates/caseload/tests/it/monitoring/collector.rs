//! A collector of traces in this process, which speaks OTLP.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE},
    routing::post,
    serve::Listener,
};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
    server::TlsStream,
};

use super::otlp::{ExportRequest, Span};
use crate::support::{Issued, polling::eventually};

/// A collector, which takes spans over gRPC and over HTTP on one port. It ends when the test's runtime does.
pub(super) struct Collector {
    pub(super) addr: SocketAddr,
    received: Received,
}

/// What was received so far.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    spans: Vec<Collected>,
    headers: Vec<HeaderMap>,
    /// How many more requests are refused.
    refused: usize,
}

/// A span, and the service that it is of.
#[derive(Clone, Debug)]
pub(super) struct Collected {
    pub(super) service: String,
    pub(super) span: Span,
}

impl Collector {
    /// Starts a collector.
    pub(super) async fn start() -> Self {
        Self::start_after(0).await
    }

    /// Starts a collector that says of its first requests, so many, that it has no time for them.
    pub(super) async fn start_after(refused: usize) -> Self {
        let collector = Received::default();
        collector.0.lock().unwrap().refused = refused;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        collector.serve(listener)
    }

    /// Starts a collector that speaks TLS.
    pub(super) async fn start_secure(issued: &Issued) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Received::default().serve(Secure { listener, acceptor: acceptor(issued) })
    }

    /// Returns the URL that `OTEL_EXPORTER_OTLP_ENDPOINT` gets.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns all spans so far.
    pub(super) fn spans(&self) -> Vec<Collected> {
        self.received.0.lock().unwrap().spans.clone()
    }

    /// Returns the values of a header of all requests so far.
    pub(super) fn headers(&self, name: &str) -> Vec<String> {
        let received = self.received.0.lock().unwrap();
        let values = received.headers.iter().filter_map(|headers| headers.get(name));
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    /// Waits until a trace has so many spans with these names, and returns all that it has.
    pub(super) async fn trace(&self, id: &str, names: &[(&str, usize)]) -> Trace {
        eventually("the spans of a trace", async || {
            let mut spans = self.spans();
            spans.retain(|collected| hex(&collected.span.trace_id) == id);
            let count = |name: &str| spans.iter().filter(|it| it.span.name == name).count();
            let is_there = names.iter().all(|(name, expected)| count(name) >= *expected);
            is_there.then_some(Trace(spans))
        })
        .await
    }
}

/// The spans of a trace.
#[derive(Debug)]
pub(super) struct Trace(pub(super) Vec<Collected>);

impl Trace {
    /// Returns the only span of a service with this name and kind.
    #[track_caller]
    pub(super) fn one(&self, service: &str, name: &str, kind: i32) -> &Span {
        let is_it = |it: &&Collected| {
            (it.service.as_str(), it.span.name.as_str(), it.span.kind) == (service, name, kind)
        };
        let found: Vec<_> = self.0.iter().filter(is_it).collect();
        let [found] = found[..] else { panic!("{service} {name}: {self:#?}") };
        &found.span
    }

    /// Returns all spans with this name.
    pub(super) fn named(&self, name: &str) -> Vec<&Span> {
        self.0.iter().map(|it| &it.span).filter(|span| span.name == name).collect()
    }
}

/// A listener that speaks TLS.
struct Secure {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Secure {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, addr) = self.listener.accept().await.unwrap();
            // Whoever does not trust the certificate leaves.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, addr);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

fn acceptor(issued: &Issued) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = ["h2", "http/1.1"].map(|name| name.as_bytes().to_vec()).to_vec();
    TlsAcceptor::from(Arc::new(config))
}

impl Received {
    /// Serves what comes to a listener.
    fn serve<L: Listener<Addr = SocketAddr>>(self, listener: L) -> Collector {
        let addr = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/v1/traces", post(take))
            .route("/opentelemetry.proto.collector.trace.v1.TraceService/Export", post(take_call))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Collector { addr, received: self }
    }

    /// Returns whether the request is taken.
    fn add(&self, headers: HeaderMap, message: &[u8]) -> bool {
        let request = ExportRequest::decode(message).unwrap();
        let mut received = self.0.lock().unwrap();
        received.headers.push(headers);
        if let Some(left) = received.refused.checked_sub(1) {
            received.refused = left;
            return false;
        }
        for resource_spans in request.resource_spans {
            let attributes = resource_spans.resource.attributes;
            let value = |name: &str| {
                let attribute = attributes.iter().find(|attribute| attribute.key == name).unwrap();
                attribute.value.text.clone().unwrap()
            };
            assert_eq!(value("service.version"), env!("CARGO_PKG_VERSION"));
            assert_eq!(value("service.instance.id").len(), 36);
            let spans = resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let service = value("service.name");
            received.spans.extend(spans.map(|span| Collected { service: service.clone(), span }));
        }
        true
    }
}

/// Takes a request over HTTP.
async fn take(State(received): State<Received>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers[CONTENT_TYPE], "application/x-protobuf");
    match received.add(headers, &body) {
        // A response without fields has no bytes.
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Takes a call over gRPC.
async fn take_call(
    State(received): State<Received>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    assert_eq!(headers[CONTENT_TYPE], "application/grpc");
    assert_eq!(headers["te"], "trailers");
    let (head, message) = body.split_at(5);
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    assert_eq!(head, [&[0], &length[..]].concat());
    // OK or UNAVAILABLE.
    let status = if received.add(headers, message) { "0" } else { "14" };
    let trailers =
        HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static(status))]);
    let empty = Full::new(Bytes::from_static(&[0; 5]));
    let body = Body::new(empty.with_trailers(async { Some(Ok(trailers)) }));
    Response::builder().header(CONTENT_TYPE, "application/grpc").body(body).unwrap()
}

/// Returns the digits of an id.
pub(super) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
