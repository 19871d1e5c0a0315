//! The max age of connections: a connection that has reached it is closed gracefully.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use proto::tasks::v1::task_service_client::TaskServiceClient;
use runtime::CancellationToken;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::{
    App, ONE_TASK, Session,
    polling::{TEST_TIMEOUT, eventually},
    start_gateway, start_server,
};

/// So short that calls often meet a connection that is being closed.
const SHORT_MAX_AGE: [&str; 2] = ["--max-connection-age", "100ms"];

/// Long enough for a call to be in flight before.
const LONG_MAX_AGE: [&str; 2] = ["--max-connection-age", "500ms"];

/// A TCP proxy that counts connections.
struct Proxy {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    /// Starts a proxy in front of a target.
    async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(target).await.unwrap();
                    // However the copying ends, both connections are closed then.
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { addr, connections }
    }

    /// Returns the number of connections so far.
    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_outlives_the_max_age_of_its_connection() {
    let mut app = App::builder().server_args(&LONG_MAX_AGE).start().await;
    let proxy = Proxy::start(app.grpc_addr).await;
    app.grpc_addr = proxy.addr;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");

    let channel = app.channel().await;
    let mut client = TaskServiceClient::new(channel.clone());
    let request = app.one_task_request();
    let running = tokio::spawn(async move { client.batch_create_tasks(request).await });
    session.await_blocked(1);
    // The channel opens another connection only where the first accepts no more calls.
    eventually("another connection", async || {
        let _ = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await;
        (proxy.connections() > 1).then_some(())
    })
    .await;
    assert!(!running.is_finished());
    session.unlock();

    assert_eq!(running.await.unwrap().unwrap().get_ref().tasks.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_over_a_gateway_succeed_while_its_connections_reach_their_max_age() {
    let shutdown = CancellationToken::new();
    let mut app = App::start().await;
    let server = start_server(app.database.url(), &SHORT_MAX_AGE, &shutdown).await;
    let proxy = Proxy::start(server).await;
    app.http_addr = start_gateway(proxy.addr, &shutdown).await;

    let (app, proxy) = (Arc::new(app), Arc::new(proxy));
    let mut callers = JoinSet::new();
    for _ in 0..4 {
        let (app, proxy) = (Arc::clone(&app), Arc::clone(&proxy));
        callers.spawn(async move {
            let mut created = 0;
            while proxy.connections() < 20 {
                let reply = app.create(ONE_TASK).await;
                assert_eq!(reply.status, 201, "{reply:?}");
                created += 1;
            }
            created
        });
    }
    let created: u64 = callers.join_all().await.iter().sum();
    assert_eq!(app.row_counts().0, created);
    shutdown.cancel();
}

/// A stream without an end would keep its connection open for ever.
#[tokio::test(flavor = "multi_thread")]
async fn an_endless_stream_is_cut_off_after_the_max_age_and_the_call_timeout() {
    let args = [&LONG_MAX_AGE[..], &["--call-timeout", "500ms"]].concat();
    let app = App::builder().server_args(&args).start().await;
    let start = Instant::now();
    let mut health = HealthClient::new(app.channel().await);
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let end = async { while let Ok(Some(_)) = watch.message().await {} };
    timeout(TEST_TIMEOUT, end).await.expect("the stream is still open");
    // The max age, and the timeout of a call that was started just before.
    assert!(start.elapsed() >= Duration::from_millis(450 + 500), "{:?}", start.elapsed());
}

/// Creates a batch over HTTP/1.1 on an open connection. Returns the response's head.
async fn create_on(stream: &mut TcpStream, app: &App) -> String {
    let (path, key, length) = (app.batch_path(), app.key.expose(), ONE_TASK.len());
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{ONE_TASK}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 201 "), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    stream.read_exact(&mut vec![0; length.parse().unwrap()]).await.unwrap();
    head
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_connection_over_http_1_is_closed_with_a_response_at_its_max_age() {
    let app = App::start().await;
    let addr = app.start_gateway(&SHORT_MAX_AGE).await;
    let mut created = 0;
    for _ in 0..3 {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let use_until_closed = async {
            loop {
                let head = create_on(&mut stream, &app).await;
                created += 1;
                if head.lines().any(|line| line == "connection: close") {
                    return;
                }
            }
        };
        timeout(TEST_TIMEOUT, use_until_closed)
            .await
            .expect("no response says `connection: close`");
        // The next request needs a new connection.
        let mut rest = Vec::new();
        let end = timeout(TEST_TIMEOUT, stream.read_to_end(&mut rest)).await;
        assert_eq!(end.expect("the connection is still open").unwrap(), 0, "{rest:?}");
    }
    assert_eq!(app.row_counts().0, created);
}
