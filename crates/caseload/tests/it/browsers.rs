//! What browsers are told about responses of the gateway: which pages may read them, and how careful to be.

use std::net::SocketAddr;

use reqwest::{Method, Response};

use crate::support::{App, ONE_TASK, http_client};

const ORIGIN: &str = "https://app.example.com";

/// What a browser asks before a page makes a request.
async fn preflight(to: SocketAddr, origin: &str, method: &str) -> Response {
    let url = format!("http://{to}/api/v2/cases/1/tasks/1");
    let request = http_client().request(Method::OPTIONS, url).header("origin", origin);
    let request = request.header("access-control-request-method", method);
    let request = request.header("access-control-request-headers", "authorization,if-match");
    request.send().await.unwrap()
}

/// The request of a page.
async fn create(app: &App, origin: &str) -> Response {
    app.post().header("origin", origin).body(ONE_TASK).send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn list<'a>(response: &'a Response, name: &str) -> Vec<&'a str> {
    header(response, name).split(',').map(str::trim).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_listed_origins_may_make_all_requests_and_read_all_documented_headers() {
    let mut app = App::start().await;
    app.http_addr = app.start_gateway(&["--cors-origins", ORIGIN]).await;
    for method in ["GET", "POST", "PUT", "DELETE"] {
        let answer = preflight(app.http_addr, ORIGIN, method).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "access-control-allow-origin"), ORIGIN);
        assert!(list(&answer, "access-control-allow-methods").contains(&method), "{answer:?}");
        assert_eq!(header(&answer, "access-control-max-age"), "7200");
        assert!(list(&answer, "vary").contains(&"origin"), "{answer:?}");
        let allowed = list(&answer, "access-control-allow-headers");
        for name in [
            "accept",
            "authorization",
            "content-type",
            "idempotency-key",
            "if-match",
            "if-none-match",
            "request-timeout",
            "traceparent",
            "tracestate",
            "x-request-id",
            "x-user-token",
        ] {
            assert!(allowed.contains(&name), "{name}: {allowed:?}");
        }
    }

    let created = create(&app, ORIGIN).await;
    assert_eq!(created.status(), 201);
    // A page may read why a request was rejected, too.
    let rejected = app.request(Method::GET, "/nowhere").header("origin", ORIGIN);
    for response in [created, rejected.send().await.unwrap()] {
        assert_eq!(header(&response, "access-control-allow-origin"), ORIGIN);
        assert_eq!(header(&response, "access-control-allow-credentials"), "");
        let exposed = list(&response, "access-control-expose-headers");
        for name in [
            "etag",
            "idempotency-replayed",
            "location",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "x-request-id",
        ] {
            assert!(exposed.contains(&name), "{name}: {exposed:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_lets_no_other_page_read_anything() {
    let mut app = App::start().await;
    let name = "access-control-allow-origin";
    let listed = app.start_gateway(&["--cors-origins", ORIGIN]).await;
    for (addr, origins) in [
        (listed, &["https://app.example.com.evil.example", "http://app.example.com", "null"][..]),
        // By default there is none.
        (app.http_addr, &[ORIGIN]),
    ] {
        app.http_addr = addr;
        for origin in origins {
            assert_eq!(header(&preflight(addr, origin, "POST").await, name), "", "{origin}");
            let created = create(&app, origin).await;
            assert_eq!((created.status().as_u16(), header(&created, name)), (201, ""), "{origin}");
        }
    }
    // What no browser sends ahead is an ordinary request, and a preflight is one that is logged.
    let request = http_client().request(Method::OPTIONS, format!("http://{listed}/nowhere"));
    assert_eq!(request.send().await.unwrap().status(), 404);
    assert_ne!(header(&preflight(listed, ORIGIN, "POST").await, "x-request-id"), "");

    app.http_addr = app.start_gateway(&["--cors-origins", "*"]).await;
    assert_eq!(header(&preflight(app.http_addr, ORIGIN, "POST").await, name), "*");
    assert_eq!(header(&create(&app, "null").await, name), "*");
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_are_not_kept_and_have_the_type_that_they_say() {
    let app = App::start().await;
    for (path, status, caching) in [
        ("/livez", 200, "no-store"),
        ("/nowhere", 404, "no-store"),
        ("/api/v2/cases/1/tasks", 401, "no-store"),
        ("/openapi.json", 200, "public, max-age=300"),
    ] {
        let response = app.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(header(&response, "cache-control"), caching, "{path}");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff", "{path}");
        // Without TLS that would be ignored (RFC 6797, 8.1).
        assert_eq!(header(&response, "strict-transport-security"), "", "{path}");
    }
}
