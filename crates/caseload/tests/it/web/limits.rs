//! What callers can make the server receive, hold and decode.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{Answer, BATCH_CREATE, one_task, post, start};
use crate::support::{
    App,
    polling::{TEST_TIMEOUT, eventually},
    raw_http::{AfterSending, connect, exchange_with_any, read_to_end},
};

const JSON: &str = "application/json";

/// The largest message, in bytes.
const LARGEST: usize = 2 * 1024 * 1024;

/// Returns the start of a call in JSON: everything up to the headers that describe the body.
fn head(key: Option<&str>) -> String {
    let key = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    format!(
        "POST {BATCH_CREATE} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: {JSON}\r\n{key}"
    )
}

/// Returns a valid batch that is padded to a size with white space.
fn padded(app: &App, size: usize) -> String {
    let body = one_task(app).to_string();
    format!("{body}{}", " ".repeat(size - body.len()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_the_limit_of_a_message() {
    let app = start().await;
    for content_type in [JSON, "application/proto"] {
        let body = padded(&app, LARGEST + 1);
        let answer = Answer::of(post(&app, BATCH_CREATE, content_type, Some(&app.key)).body(body));
        assert_eq!(answer.await.connect_result(), "OUT_OF_RANGE MESSAGE_TOO_LARGE");
    }
    assert_eq!(app.row_counts(), (0, 0));
    let answer = post(&app, BATCH_CREATE, JSON, Some(&app.key)).body(padded(&app, LARGEST));
    assert_eq!(Answer::of(answer).await.connect_result(), "OK");
}

/// A client that sends all of its body before it reads gets the response.
#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_arrives_however_much_was_sent() {
    let app = start().await;
    let body = padded(&app, 2 * LARGEST);
    for (key, code) in [(None, "unauthenticated"), (Some(app.key.expose()), "out_of_range")] {
        let request = format!("{}content-length: {}\r\n\r\n{body}", head(key), body.len());
        let reply = exchange_with_any(app.grpc_addr, request.as_bytes(), AfterSending::Wait).await;
        assert_eq!(reply.body["code"], code);
    }
}

/// How long a body is waited for that is only discarded.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// Makes a request that is no call, for a client at this address as a proxy names it, and sends nothing of
/// its body. Returns after how long it is answered.
async fn answered_after(app: &App, address: &str) -> Duration {
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\
         x-forwarded-for: {address}\r\n\r\n"
    );
    let start = Instant::now();
    let mut stream = connect(app.grpc_addr).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read_status(&mut stream).await, "HTTP/1.1 415");
    start.elapsed()
}

/// Reads the first words of a response.
async fn read_status(stream: &mut TcpStream) -> String {
    let mut status = [0; 12];
    timeout(TEST_TIMEOUT, stream.read_exact(&mut status)).await.expect("a response").unwrap();
    String::from_utf8_lossy(&status).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_address_has_a_share_of_the_bodies_that_are_discarded() {
    // Two of 256.
    let app = App::builder().server_args(&["--connect", "--address-share", "1"]).start().await;
    // A machine that is too busy to answer within a second is asked again.
    eventually("a response that waits for no body, and four that do", async || {
        let (greedy, other) = ("192.0.2.1", "192.0.2.2");
        let (first, second, third, fourth, fifth) = tokio::join!(
            answered_after(&app, greedy),
            answered_after(&app, greedy),
            answered_after(&app, greedy),
            answered_after(&app, other),
            answered_after(&app, other),
        );
        let mut of_greedy = [first, second, third];
        of_greedy.sort_unstable();
        let is_waited_for = |elapsed: &Duration| *elapsed >= DISCARD_TIMEOUT;
        let is_at_once = of_greedy[0] < DISCARD_TIMEOUT / 2;
        let all = of_greedy[1..].iter().chain([&fourth, &fifth]).all(is_waited_for);
        (is_at_once && all).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_over_http_1_is_limited_in_time_and_size() {
    let args = ["--connect", "--header-timeout", "300ms"];
    let app = App::builder().server_args(&args).start().await;
    for bytes in ["", "P", "POST / HTTP/1.1\r\nhost: a\r\nx-a: b"] {
        let mut stream = connect(app.grpc_addr).await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert_eq!(String::from_utf8_lossy(&answer), "", "after {bytes:?}");
    }
    let headers = |count| "x: y\r\n".repeat(count);
    for (header, status) in [
        (headers(99), "HTTP/1.1 415"),
        (headers(100), "HTTP/1.1 431"),
        (format!("x: {}\r\n", "y".repeat(32 * 1024)), "HTTP/1.1 431"),
    ] {
        let mut stream = connect(app.grpc_addr).await;
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(read_status(&mut stream).await, status, "{} bytes", request.len());
    }
}

/// Who has no key is answered by the headers alone, and is not asked for the body.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_received_from_callers_without_a_key() {
    let app = start().await;
    for (key, first_line) in [
        (None, "HTTP/1.1 401 Unauthorized\r\n"),
        (Some("cl_unknown"), "HTTP/1.1 401 Unauthorized\r\n"),
        (Some(app.key.expose()), "HTTP/1.1 100 Continue\r\n"),
    ] {
        let mut stream = connect(app.grpc_addr).await;
        let head = head(key);
        let request = format!("{head}content-length: 100\r\nexpect: 100-continue\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; first_line.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), first_line);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_with_too_many_values_is_rejected_before_it_is_decoded() {
    let app = start().await;
    for item in ["{}", "[", r#"{"description":"a"}"#, "null"] {
        let items = vec![item; 10_000].join(",");
        let body = format!(r#"{{"caseId":"1","tasks":[{items}]}}"#);
        let answer = post(&app, BATCH_CREATE, JSON, Some(&app.key)).body(body);
        let answer = Answer::of(answer).await;
        assert_eq!(answer.connect_result(), "OUT_OF_RANGE MESSAGE_TOO_LARGE", "{item}");
    }
    // Commas in texts are no values, and fewer items are for the rules of the fields.
    let mut body = one_task(&app);
    body["tasks"][0]["description"] = ",[{\"".repeat(1000).into();
    let answer = post(&app, BATCH_CREATE, JSON, Some(&app.key)).json(&body);
    assert_eq!(Answer::of(answer).await.connect_result(), "OK");
    body["tasks"] = vec![body["tasks"][0].clone(); 26].into();
    let answer = post(&app, BATCH_CREATE, JSON, Some(&app.key)).json(&body);
    assert_eq!(Answer::of(answer).await.connect_result(), "INVALID_ARGUMENT TOO_MANY");
}

/// JSON that has not arrived yet takes the memory for messages, of which a tenant leaves some for others.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_unfinished_bodies_leaves_memory_for_others() {
    let app = App::builder().server_args(&["--connect", "--message-memory", "16"]).start().await;
    let (_, case_id, other) = app.other_tenant().await;
    let request = format!("{}content-length: {LARGEST}\r\n\r\n", head(Some(app.key.expose())));
    let part = " ".repeat(LARGEST - 1);
    let mut greedy = Vec::new();
    for _ in 0..16 {
        let (mut reader, mut writer) = connect(app.grpc_addr).await.into_split();
        let bytes = format!("{request}{part}").into_bytes();
        let sent = tokio::spawn(async move {
            let _rejected = writer.write_all(&bytes).await;
            writer
        });
        greedy.push((
            sent,
            tokio::spawn(async move {
                let mut line = [0; 12];
                let read = reader.read_exact(&mut line).await;
                read.map(|_| String::from_utf8_lossy(&line).into_owned())
            }),
        ));
    }
    // A tenant may have half of the memory, which is four of them.
    eventually("rejected bodies", async || {
        let rejected = greedy.iter().filter(|(_, answer)| answer.is_finished()).count();
        (rejected >= 12).then_some(())
    })
    .await;
    let body = serde_json::json!({"caseId": case_id.to_string(), "tasks": [{"description": "a"}]});
    let large = format!("{body}{}", " ".repeat(900_000));
    let answer = Answer::of(post(&app, BATCH_CREATE, JSON, Some(&other)).body(large)).await;
    assert_eq!(answer.connect_result(), "OK");
    for (sent, answer) in greedy {
        if answer.is_finished() {
            assert_eq!(answer.await.unwrap().unwrap(), "HTTP/1.1 429");
        } else {
            answer.abort();
        }
        sent.abort();
    }
}
