//! Connections that are told to make way for new ones when they have reached an age.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use proto::tasks::v1::{BatchCreateTasksRequest, NewTask, task_service_client::TaskServiceClient};
use runtime::CancellationToken;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::{
    App, Session,
    polling::{PATIENCE, eventually},
    start_gateway, start_server,
};

/// So short that a call on a busy machine may find its connection told to go.
const AGE: [&str; 2] = ["--max-connection-age", "100ms"];

/// Long enough for a call to be on its way before.
const GREATER_AGE: [&str; 2] = ["--max-connection-age", "500ms"];
const BODY: &str = r#"{"tasks":[{"description":"x"}]}"#;

/// Passes connections on, and counts them.
struct Relay {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Relay {
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
                    // However it ends, both ends see it.
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { addr, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_outlives_the_age_of_its_connection() {
    let mut app = App::builder().server_args(&GREATER_AGE).start().await;
    let relay = Relay::start(app.grpc_addr).await;
    app.grpc_addr = relay.addr;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");

    let channel = app.channel().await;
    let mut client = TaskServiceClient::new(channel.clone());
    let task = NewTask { description: "x".to_owned(), assignee_emails: Vec::new() };
    let request = app.signed(BatchCreateTasksRequest {
        case_id: app.case_id,
        tasks: vec![task],
        ..Default::default()
    });
    let running = tokio::spawn(async move { client.batch_create_tasks(request).await });
    session.await_blocked(1);
    // The channel makes another connection only where the first takes no calls any more.
    eventually("another connection", async || {
        let _ = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await;
        (relay.connections() > 1).then_some(())
    })
    .await;
    assert!(!running.is_finished());
    session.unlock();

    assert_eq!(running.await.unwrap().unwrap().get_ref().tasks.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_a_gateway_do_not_notice_that_its_connections_age() {
    let ending = CancellationToken::new();
    let mut app = App::start().await;
    let server = start_server(app.database.url(), &AGE, &ending).await;
    let relay = Relay::start(server).await;
    app.http_addr = start_gateway(relay.addr, &ending).await;

    let (app, relay) = (Arc::new(app), Arc::new(relay));
    let mut callers = JoinSet::new();
    for _ in 0..4 {
        let (app, relay) = (Arc::clone(&app), Arc::clone(&relay));
        callers.spawn(async move {
            let mut created = 0;
            while relay.connections() < 20 {
                let reply = app.create(BODY).await;
                assert_eq!(reply.status, 201, "{reply:?}");
                created += 1;
            }
            created
        });
    }
    let created: u64 = callers.join_all().await.iter().sum();
    assert_eq!(app.row_counts().0, created);
    ending.cancel();
}

/// It would keep the connection, and its place among those that the server has, for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_end_is_cut_off_once_a_calls_longest_time_is_over() {
    let args = [&GREATER_AGE[..], &["--call-timeout", "500ms"]].concat();
    let app = App::builder().server_args(&args).start().await;
    let start = Instant::now();
    let mut health = HealthClient::new(app.channel().await);
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let end = async { while let Ok(Some(_)) = watch.message().await {} };
    timeout(PATIENCE, end).await.expect("the stream goes on");
    // The age, and what a call that was begun at its end may take.
    assert!(start.elapsed() >= Duration::from_millis(450 + 500), "{:?}", start.elapsed());
}
