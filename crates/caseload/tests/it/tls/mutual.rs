//! Mutual TLS: whom a listener serves, and what the log says of them.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tonic::Code;

use super::{
    client::{Client, VERSIONS},
    files::{Files, borrowed, listeners},
};
use crate::support::{App, Authority, Holder, start_server_process};

/// Returns whether a listener serves a client: it sends something, as the first frame of HTTP/2.
async fn is_served(client: &Client, to: SocketAddr) -> bool {
    match client.clone().protocols(&["h2"]).connect(to).await {
        // With TLS 1.3 the client has completed the handshake before its certificate is judged.
        Ok(mut stream) => stream.read_u8().await.is_ok(),
        Err(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_clients_with_a_valid_certificate_of_the_authority_are_served() {
    let app = App::start().await;
    let files = Files::create();
    let issue = |holder| files.authority.issue(holder);
    let good = issue(Holder { names: &["a.example"], ..Holder::default() });
    let expired = issue(Holder { years: (2000, 2020), ..Holder::default() });
    let early = issue(Holder { years: (3000, 4000), ..Holder::default() });
    let alone = issue(Holder { signs_itself: true, ..Holder::default() });
    let foreign = Authority::create("Acme").issue(Holder::default());
    let client = Client::of(&files);
    let required = listeners(&app, &files.mutual(&[])).await;
    let optional = listeners(&app, &files.mutual(&["--tls-client-auth", "optional"])).await;
    for version in VERSIONS {
        for (is_good, identity) in
            [(true, &good), (false, &expired), (false, &early), (false, &alone), (false, &foreign)]
        {
            let client = client.clone().version(version).identity(identity.clone());
            for addr in [required, optional].concat() {
                assert_eq!(is_served(&client, addr).await, is_good, "{version:?} {addr}");
            }
        }
        let without = client.clone().version(version);
        for (addrs, expected) in [(required, false), (optional, true)] {
            for addr in addrs {
                assert_eq!(is_served(&without, addr).await, expected, "{version:?} {addr}");
            }
        }
    }
    app.assert_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_made_over_mutual_tls_and_lines_about_them_name_the_client() {
    let app = App::start().await;
    let files = Files::create();
    let args =
        [files.mutual(&["--log-level", "debug"]), vec!["--grpc-addr".into(), "127.0.0.1:0".into()]];
    let server = start_server_process(app.database.url().expose(), &borrowed(&args.concat()));
    let addr = server.wait_for_address("serving gRPC");
    server.wait_for_log("serving");
    let workload = "spiffe://acme.example/ns/apps/sa/importer";
    for (names, identity) in [
        (&["importer.example", workload][..], workload),
        (&["importer.example", "other.example"], "importer.example"),
    ] {
        let issued = files.authority.issue(Holder { names, ..Holder::default() });
        let channel = Client::of(&files).identity(issued).channel(addr).await.unwrap();
        let mut client = proto::tasks::v1::task_service_client::TaskServiceClient::new(channel);
        let mut request = app.one_task_request();
        request.metadata_mut().insert("x-request-id", identity.parse().unwrap());
        let response = client.batch_create_tasks(request).await.unwrap();
        assert_eq!(response.get_ref().tasks.len(), 1);
        let mut rejected = tonic::Request::new(Default::default());
        rejected.metadata_mut().insert("x-request-id", identity.parse().unwrap());
        let status = client.batch_create_tasks(rejected).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
    }
    server.terminate();
    let log = server.wait_for_exit().log();
    for identity in [workload, "importer.example"] {
        let mut messages: Vec<&Value> = log
            .iter()
            .filter(|line| line["span"]["request_id"] == identity)
            .inspect(|line| assert_eq!(line["span"]["client_identity"], identity, "{line}"))
            .map(|line| &line["message"])
            .collect();
        messages.retain(|message| message.as_str().unwrap().starts_with("request "));
        assert_eq!(messages, ["request completed", "request rejected"]);
    }
}

/// A resumed session would skip the check of a certificate that has expired meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn no_session_can_be_resumed_where_clients_have_certificates() {
    let app = App::start().await;
    let files = Files::create();
    let identity = files.authority.issue(Holder::default());
    let client = Client::of(&files).identity(identity).protocols(&["h2"]);
    for (args, has_tickets) in [(files.mutual(&[]), false), (files.listener(&[]), true)] {
        for addr in listeners(&app, &args).await {
            let mut stream = client.connect(addr).await.unwrap();
            stream.read_u8().await.unwrap();
            assert_eq!(stream.get_ref().1.tls13_tickets_received() > 0, has_tickets, "{addr}");
        }
    }
}

/// A client may have more certificates than the operator knows of.
#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_fails_is_logged_with_its_reason() {
    let app = App::start().await;
    let files = Files::create();
    let args = [files.mutual(&[]), vec!["--grpc-addr".into(), "127.0.0.1:0".into()]];
    let server = start_server_process(app.database.url().expose(), &borrowed(&args.concat()));
    let addr = server.wait_for_address("serving gRPC");
    let expired = files.authority.issue(Holder { years: (2000, 2020), ..Holder::default() });
    assert!(!is_served(&Client::of(&files).identity(expired), addr).await);
    let line = server.wait_for_log("TLS handshake failed");
    assert_eq!(line["level"], "INFO");
    assert!(line["error"].as_str().unwrap().contains("certificate expired"), "{line}");
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
}
