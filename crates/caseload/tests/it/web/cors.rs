//! Which pages may call the server.

use reqwest::Method;

use super::{Answer, BATCH_CREATE, ORIGIN, one_task, post, start};
use crate::support::{App, http_client};

/// What a browser asks before a page calls.
async fn preflight(app: &App, origin: &str) -> Answer {
    let request = http_client()
        .request(Method::OPTIONS, format!("http://{}{BATCH_CREATE}", app.grpc_addr))
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type,x-grpc-web");
    Answer::of(request).await
}

async fn call(app: &App, origin: &str) -> Answer {
    let request = post(app, BATCH_CREATE, "application/json", Some(&app.key));
    Answer::of(request.header("origin", origin).json(&one_task(app))).await
}

fn list<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    answer.header(name).split(',').map(str::trim).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_listed_origins_may_call() {
    let app = start().await;
    let answer = preflight(&app, ORIGIN).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), ORIGIN);
    assert_eq!(answer.header("access-control-allow-methods"), "POST");
    assert_eq!(answer.header("access-control-max-age"), "7200");
    assert!(list(&answer, "vary").contains(&"origin"), "{answer:?}");
    let allowed = list(&answer, "access-control-allow-headers");
    for header in [
        "authorization",
        "content-type",
        "connect-protocol-version",
        "connect-timeout-ms",
        "grpc-timeout",
        "x-grpc-web",
        "x-request-id",
        "x-user-agent",
    ] {
        assert!(allowed.contains(&header), "{header}");
    }

    let answer = call(&app, ORIGIN).await;
    assert_eq!(answer.connect_result(), "OK");
    assert_eq!(answer.header("access-control-allow-origin"), ORIGIN);
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    let exposed = list(&answer, "access-control-expose-headers");
    for header in [
        "grpc-message",
        "grpc-retry-pushback-ms",
        "grpc-status",
        "grpc-status-details-bin",
        "idempotency-replayed",
        "ratelimit",
        "ratelimit-policy",
        "x-request-id",
    ] {
        assert!(exposed.contains(&header), "{header}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_lets_no_other_page_call() {
    let app = start().await;
    for origin in ["https://app.example.com.evil.example", "http://app.example.com", "null"] {
        let answer = preflight(&app, origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        assert_eq!(call(&app, origin).await.header("access-control-allow-origin"), "", "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_may_call_or_none() {
    let any = App::builder().server_args(&["--connect", "--cors-origins", "*"]).start().await;
    assert_eq!(preflight(&any, ORIGIN).await.header("access-control-allow-origin"), "*");
    assert_eq!(call(&any, "null").await.header("access-control-allow-origin"), "*");

    let none = App::builder().server_args(&["--connect"]).start().await;
    assert_eq!(preflight(&none, ORIGIN).await.header("access-control-allow-origin"), "");
    let answer = call(&none, ORIGIN).await;
    assert_eq!(answer.connect_result(), "OK", "who is no browser does not care");
    assert_eq!(answer.header("access-control-allow-origin"), "");
}
