//! The export of traces over TLS.

use std::fs;

use super::{
    collector::Collector,
    installation::Installation,
    traced::{METHOD, TRACE, end, exporting, traceparent},
};
use crate::support::{Authority, Holder, ONE_TASK, Reply};

/// An authority, its certificate in a file, and a collector that it vouches for as `localhost`.
async fn start() -> (tempfile::NamedTempFile, Collector) {
    let authority = Authority::create("Acme");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), authority.certificate()).unwrap();
    let issued = authority.issue(Holder { names: &["localhost"], ..Holder::default() });
    (file, Collector::start_secure(&issued).await)
}

async fn post_in_trace(installation: &Installation) {
    let request = installation.app.post().header("traceparent", traceparent(TRACE, "01"));
    assert_eq!(Reply::of(request.body(ONE_TASK)).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_exported_over_tls_to_a_collector_that_is_trusted() {
    let (authority, collector) = start().await;
    let url = format!("https://localhost:{}", collector.addr.port());
    let trusted = [("OTEL_EXPORTER_OTLP_CERTIFICATE", authority.path().to_str().unwrap())];
    let [server, gateway] = ["grpc", "http/protobuf"]
        .map(|protocol| [exporting(&url, protocol), trusted.to_vec()].concat());
    let installation = Installation::start_with_env((&[], &server), (&[], &gateway)).await;
    post_in_trace(&installation).await;
    let trace = collector.trace(TRACE, &[(METHOD, 2)]).await;
    for service in ["caseload-server", "caseload-gateway"] {
        assert!(trace.0.iter().any(|it| it.service == service), "{service}: {trace:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_trusted_gets_neither_spans_nor_headers() {
    let (authority, collector) = start().await;
    let port = collector.addr.port();
    // It is not vouched for by this address; nor is it by an authority of the system's.
    let other_name = format!("https://127.0.0.1:{port}");
    let trusted = [("OTEL_EXPORTER_OTLP_CERTIFICATE", authority.path().to_str().unwrap())];
    let other_name = [exporting(&other_name, "grpc"), trusted.to_vec()].concat();
    let url = format!("https://localhost:{port}");
    let untrusted = exporting(&url, "http/protobuf");
    let installation = Installation::start_with_env((&[], &other_name), (&[], &untrusted)).await;
    post_in_trace(&installation).await;
    let Installation { server, gateway, .. } = installation;
    for exited in end(server, gateway) {
        assert_eq!(exited.code(), Some(0));
        let log = exited.log();
        let failed = log.iter().find(|line| line["message"] == "failed to export spans");
        let cause = failed.unwrap_or_else(|| panic!("{log:#?}"))["cause"].to_string();
        assert!(cause.contains("certificate"), "{cause}");
    }
    assert!(collector.headers("x-collector-key").is_empty());
}
