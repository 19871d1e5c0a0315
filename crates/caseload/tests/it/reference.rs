//! The interactive reference at `/docs`: what the gateway answers. `make browser` tries the page in a browser.

use reqwest::{Method, RequestBuilder, Response, redirect};

use crate::support::{
    App, Reply, http_client,
    raw_http::{AfterSending, exchange},
};

/// What browsers send for a page.
const OF_BROWSERS: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// The files that the page loads, and their types.
const FILES: [(&str, &str); 5] = [
    ("/docs/icon.svg", "image/svg+xml"),
    ("/docs/page.css", "text/css; charset=utf-8"),
    ("/docs/page.js", "text/javascript; charset=utf-8"),
    ("/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ("/docs/swagger-ui.css", "text/css; charset=utf-8"),
];

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// Returns a request of a client that follows no redirects.
fn get(app: &App, path: &str) -> RequestBuilder {
    let client = reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none());
    client.build().unwrap().get(format!("http://{}{path}", app.http_addr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_may_load_its_own_files_and_nothing_else() {
    let app = App::start().await;
    let page = get(&app, "/docs").send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header(&page, "x-content-type-options"), "nosniff");
    assert_eq!(header(&page, "referrer-policy"), "no-referrer");
    let policy = header(&page, "content-security-policy").to_owned();
    let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
    assert_eq!(
        directives,
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    );
    let text = page.text().await.unwrap();
    for (path, content_type) in FILES {
        assert!(text.contains(&format!("\"{path}?v=")), "{path}");
        let file = get(&app, path).send().await.unwrap();
        assert_eq!(file.status(), 200, "{path}");
        assert_eq!(header(&file, "content-type"), content_type);
        assert_eq!(header(&file, "x-content-type-options"), "nosniff", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_its_files_are_kept_by_caches_and_compressed_for_those_that_ask() {
    let app = App::start().await;
    for path in FILES.map(|(path, _)| path).into_iter().chain(["/docs", "/openapi.json"]) {
        let plain = get(&app, path).send().await.unwrap();
        let ask = || get(&app, path).header("accept-encoding", "gzip, deflate, br");
        let gzip = ask().send().await.unwrap();
        for response in [&plain, &gzip] {
            assert_eq!(header(response, "cache-control"), "public, max-age=300", "{path}");
            assert_eq!(header(response, "vary"), "accept-encoding", "{path}");
        }
        assert_eq!(header(&plain, "content-encoding"), "", "{path}");
        assert_eq!(header(&gzip, "content-encoding"), "gzip", "{path}");
        let etag = header(&gzip, "etag").to_owned();
        assert_ne!(header(&plain, "etag"), etag, "{path}");

        let known = ask().header("if-none-match", &etag).send().await.unwrap();
        assert_eq!((known.status().as_u16(), header(&known, "etag")), (304, &*etag), "{path}");
        let head = http_client().head(format!("http://{}{path}", app.http_addr));
        let head = head.send().await.unwrap();
        for name in ["content-length", "content-type", "etag", "content-security-policy"] {
            assert_eq!(header(&head, name), header(&plain, name), "{path} {name}");
        }
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");

        let (plain, gzip) = (plain.bytes().await.unwrap(), gzip.bytes().await.unwrap());
        assert!(gzip.len() < plain.len() && gzip.starts_with(b"\x1f\x8b"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_sends_browsers_to_the_page_and_gives_programs_json() {
    let app = App::start().await;
    for accept in [OF_BROWSERS, "text/html", "application/json;q=0.5, text/html"] {
        for method in [Method::GET, Method::HEAD] {
            let (client, request) = get(&app, "/").header("accept", accept).build_split();
            let mut request = request.unwrap();
            *request.method_mut() = method;
            let response = client.execute(request).await.unwrap();
            assert_eq!(response.status(), 303, "{accept}");
            assert_eq!(header(&response, "location"), "/docs");
            assert_eq!(header(&response, "vary"), "accept");
            assert_eq!(header(&response, "cache-control"), "no-store");
        }
    }
    for accept in ["*/*", "application/json", "application/json, text/html;q=0.5"] {
        let reply = Reply::of(get(&app, "/").header("accept", accept)).await;
        assert_eq!((reply.status.as_u16(), reply.header("vary")), (200, "accept"), "{accept}");
        assert_eq!(reply.body["links"]["docs"], "/docs");
    }
    let without = Reply::of(get(&app, "/")).await;
    assert_eq!(without.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_has_no_other_files() {
    let app = App::start().await;
    for path in [
        "/docs/nothing",
        "/docs/page.html",
        "/docs/PAGE.CSS",
        "/docs/page.css/",
        "/docs/page.css%00",
        "/docs/index.html",
        "/docs/swagger-initializer.js",
        "/docs/../openapi.json",
        "/docs/../../Cargo.toml",
        "/docs/..%2fopenapi.json",
        "/docs/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/docs/%2e%2e/openapi.json",
        "/docs/..",
        "/docs/%ff",
        "//docs",
        "/Docs",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let reply = exchange(app.http_addr, request.as_bytes(), AfterSending::Wait).await;
        assert_eq!(reply.violations(), ["ROUTE_NOT_FOUND -"], "{path}");
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
    }
    let slash = get(&app, "/docs/").send().await.unwrap();
    assert_eq!((slash.status().as_u16(), header(&slash, "location")), (308, "/docs"));
    for path in ["/docs", "/docs/", "/docs/page.js"] {
        let response = app.request(Method::POST, path).send().await.unwrap();
        assert_eq!((response.status().as_u16(), header(&response, "allow")), (405, "GET,HEAD"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_page_there_is_nothing_of_it() {
    let app = App::start().await;
    let http_addr = app.start_gateway(&["--docs", "off"]).await;
    let get = |path: &str| http_client().get(format!("http://{http_addr}{path}"));
    for path in FILES.map(|(path, _)| path).into_iter().chain(["/docs", "/docs/"]) {
        let reply = Reply::of(get(path).header("accept", OF_BROWSERS)).await;
        assert_eq!(reply.violations(), ["ROUTE_NOT_FOUND -"], "{path}");
    }
    let index = Reply::of(get("/").header("accept", OF_BROWSERS)).await;
    assert_eq!((index.status.as_u16(), index.header("vary")), (200, ""));
    assert_eq!(index.body["links"]["openapi"], "/openapi.json");
    assert!(index.body["links"].get("docs").is_none(), "{:#}", index.body);
    // The document describes both.
    let document = Reply::of(get("/openapi.json")).await;
    assert_eq!(document.body, *crate::support::contract::document());
}
