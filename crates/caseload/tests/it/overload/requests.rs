//! Requests in flight at the gateway, clients that do not take their responses, and what one client
//! address may use.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Method, Request, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use crate::support::{
    App, ONE_TASK, Reply, Session,
    polling::{TEST_TIMEOUT, eventually},
    raw_http::{connect, get_livez, padded_body},
};

/// Starts to create a task, for a client at this address as a proxy names it. Returns the result.
fn create_from(app: &App, address: &'static str) -> JoinHandle<Reply> {
    let request = app.post().header("x-forwarded-for", address).body(ONE_TASK);
    tokio::spawn(Reply::of(request))
}

/// Creates a task and asserts that it is rejected at once, and how.
async fn assert_rejected(app: &App, address: &'static str, status: u16, reason: &str) {
    let rejected = timeout(TEST_TIMEOUT, create_from(app, address)).await.expect("a response");
    let rejected = rejected.unwrap();
    assert_eq!((rejected.status.as_u16(), rejected.header("retry-after")), (status, "1"));
    assert_eq!(rejected.violations(), [format!("{reason} -")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_rejects_a_request_beyond_the_limit_at_once_but_no_health_check() {
    let mut app = App::start().await;
    app.http_addr = app.start_gateway(&["--max-requests", "1"]).await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let in_flight = create_from(&app, "192.0.2.1");
    session.await_blocked(1);
    assert_rejected(&app, "192.0.2.2", 503, "OVERLOADED").await;
    get_livez(&mut connect(app.http_addr).await).await;

    session.unlock();
    assert_eq!(in_flight.await.unwrap().status, 201);
    app.assert_serves().await;
}

/// A client without a key, that sends no body, is not worked on.
#[tokio::test(flavor = "multi_thread")]
async fn requests_whose_bodies_do_not_come_take_no_place_of_those_in_flight() {
    let mut app = App::start().await;
    app.http_addr = app.start_gateway(&["--max-requests", "4"]).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n",
        app.batch_path()
    );
    let mut silent = Vec::new();
    for _ in 0..16 {
        let mut stream = connect(app.http_addr).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        silent.push(stream);
        app.assert_serves().await;
    }
    // Most of them find no place to wait for their bodies.
    let response = timeout(TEST_TIMEOUT, silent.last_mut().unwrap().read_u8()).await;
    assert_eq!(response.expect("a response").unwrap(), b'H');
}

/// The server answers 32 health checks at once on a connection, and the gateway has one connection.
#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_probes_at_the_same_time_find_the_gateway_ready() {
    let app = App::start().await;
    for _ in 0..3 {
        let probes: JoinSet<_> =
            (0..300).map(|_| Reply::of(app.request(Method::GET, "/readyz"))).collect();
        let statuses = probes.join_all().await.into_iter().map(|reply| reply.status.as_u16());
        assert_eq!(statuses.filter(|status| *status != 200).count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_address_has_a_share_of_the_requests_in_flight() {
    let mut app = App::start().await;
    app.http_addr = app.start_gateway(&["--max-requests", "4", "--address-share", "25"]).await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let first = create_from(&app, "192.0.2.1");
    session.await_blocked(1);
    // What a client writes before the address that the proxy adds makes no difference.
    for address in ["192.0.2.1", "198.51.100.7, 192.0.2.1"] {
        assert_rejected(&app, address, 429, "ADDRESS_OVER_SHARE").await;
    }
    let others = ["192.0.2.2", "2001:db8::1"].map(|address| create_from(&app, address));
    session.await_blocked(2);
    assert_rejected(&app, "2001:db8::2", 429, "ADDRESS_OVER_SHARE").await;

    session.unlock();
    assert_eq!(first.await.unwrap().status, 201);
    for other in others {
        assert_eq!(other.await.unwrap().status, 201);
    }
    assert_eq!(create_from(&app, "192.0.2.1").await.unwrap().status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_counts_the_client_whose_address_the_gateway_names() {
    let args = ["--max-in-flight", "4", "--address-share", "25"];
    let app = App::builder().server_args(&args).start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let first = create_from(&app, "192.0.2.1");
    session.await_blocked(1);
    assert_rejected(&app, "192.0.2.1", 429, "ADDRESS_OVER_SHARE").await;
    let second = create_from(&app, "192.0.2.2");
    session.await_blocked(2);

    session.unlock();
    assert_eq!(first.await.unwrap().status, 201);
    assert_eq!(second.await.unwrap().status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_address_has_a_share_of_the_memory_for_bodies() {
    let mut app = App::start().await;
    app.http_addr = app.start_gateway(&["--body-memory", "1", "--address-share", "25"]).await;
    let create = async |address: &'static str| {
        let body = padded_body(300 * 1024);
        Reply::of(app.post().header("x-forwarded-for", address).body(body)).await
    };
    let rejected = create("192.0.2.1").await;
    assert_eq!(rejected.status, 429);
    assert_eq!(rejected.violations(), ["ADDRESS_OVER_SHARE -"]);
    assert_eq!(rejected.header("retry-after"), "1");
    // A trusted proxy's own requests have no share.
    assert_eq!(create("").await.status, 201);
}

/// Opens a connection from an address of this machine.
async fn connect_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_client_address_has_a_share_of_the_connections() {
    let app = App::start().await;
    let args = ["--max-connections", "4", "--address-share", "50", "--trusted-proxies", "none"];
    let http_addr = app.start_gateway(&args).await;
    let mut open = Vec::new();
    for from in [[127, 0, 0, 1], [127, 0, 0, 1], [127, 0, 0, 2]] {
        let mut stream = connect_from(from, http_addr).await;
        get_livez(&mut stream).await;
        open.push(stream);
    }
    let mut rejected = connect_from([127, 0, 0, 1], http_addr).await;
    let read = timeout(TEST_TIMEOUT, rejected.read(&mut [0; 1])).await.expect("it is open");
    assert!(matches!(read, Ok(0) | Err(_)));
    get_livez(&mut connect_from([127, 0, 0, 2], http_addr).await).await;
}

/// Opens an HTTP/2 connection on which the client reads nothing of the bodies of responses.
async fn connect_without_window(to: SocketAddr) -> SendRequest<Bytes> {
    let stream = connect(to).await;
    let mut builder = h2::client::Builder::new();
    let (requests, connection) = builder.initial_window_size(0).handshake(stream).await.unwrap();
    tokio::spawn(connection);
    requests
}

/// Repeats a batch with an idempotency key. Returns the body of the response, of which nothing is
/// read.
async fn repeat(app: &App, requests: &SendRequest<Bytes>) -> (StatusCode, h2::RecvStream) {
    let request = Request::post(format!("http://{}{}", app.http_addr, app.batch_path()))
        .header("authorization", format!("Bearer {}", app.key.expose()))
        .header("content-type", "application/json")
        .header("idempotency-key", "repeated")
        .body(())
        .unwrap();
    let mut requests = requests.clone().ready().await.unwrap();
    let (response, mut body) = requests.send_request(request, false).unwrap();
    body.send_data(Bytes::from_static(ONE_TASK.as_bytes()), true).unwrap();
    let response = timeout(TEST_TIMEOUT, response).await.expect("a response").unwrap();
    (response.status(), response.into_body())
}

/// The responses that a client leaves untaken are in flight. When they become too many, they make
/// room: others are served long before the limit for responses that are not taken.
#[tokio::test(flavor = "multi_thread")]
async fn responses_that_are_not_taken_are_in_flight_and_do_not_lock_out_others_for_long() {
    const LIMIT: usize = 8;
    let mut app = App::start().await;
    let args = ["--max-requests", "8", "--send-timeout", "1h"];
    app.http_addr = app.start_gateway(&args).await;
    let requests = connect_without_window(app.http_addr).await;
    let mut untaken = Vec::new();
    for _ in 0..LIMIT / 2 {
        let (status, body) = repeat(&app, &requests).await;
        assert_eq!(status, 201);
        untaken.push(body);
    }
    app.assert_serves().await;
    // Below half of the limit nothing is reset, however long it takes.
    for _ in 0..LIMIT {
        let (status, body) = repeat(&app, &requests).await;
        if status == 503 {
            break;
        }
        untaken.push(body);
    }
    eventually("a response", async || (app.create(ONE_TASK).await.status == 201).then_some(()))
        .await;
    let mut reset = 0;
    for body in &mut untaken {
        let data = timeout(Duration::from_millis(1), body.data()).await;
        reset += usize::from(matches!(data, Ok(Some(Err(_)))));
    }
    assert!(reset > 0);
}
