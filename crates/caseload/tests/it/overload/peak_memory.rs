//! The memory of the real programs under the calls that take the most of it, against the bound that
//! docs/OPERATIONS.md gives; and what is left of it once they have ended.

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use domain::ApiKey;
use prost::Message as _;
use proto::tasks::v1::{BatchCreateTasksRequest, NewTask};
use tokio::{io::AsyncWriteExt as _, task::JoinSet, time::timeout};
use tonic::{
    codegen::{Service as _, http},
    transport::Endpoint,
};

use super::raw_calls::RawCalls;
use crate::{
    malformed_input::grpc_messages::METHOD,
    support::{
        App, CreateCall, Program, Session, gateway_path, new_key,
        polling::eventually,
        raw_grpc::{frame, framed},
        raw_http::{AfterSending, connect, exchange, request_head},
        start_server_process,
    },
};

const MIB: u64 = 1024 * 1024;

/// The connections of each attack.
const CONNECTIONS: u64 = 40;

/// `--message-memory` and `--body-memory`, in MiB.
const MEMORY: u64 = 16;

/// What the programs take by themselves.
const BASE: u64 = 32 * MIB;

/// Returns the most memory that a process has had.
fn peak_bytes(program: &Program) -> u64 {
    status_bytes(program, "VmHWM:")
}

/// Returns what proc(5) says in a line of a process' status.
fn status_bytes(program: &Program, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", program.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// Makes a call on a connection of its own, whatever becomes of it.
async fn call(to: SocketAddr, key: ApiKey, body: Vec<u8>) {
    let endpoint = Endpoint::try_from(format!("http://{to}")).unwrap();
    let mut channel = endpoint.connect().await.unwrap();
    let body = tonic::body::Body::new(http_body_util::Full::new(bytes::Bytes::from(body)));
    let request = http::Request::post(METHOD)
        .header("authorization", format!("Bearer {}", key.expose()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .unwrap();
    std::future::poll_fn(|cx| channel.poll_ready(cx)).await.unwrap();
    let _any = timeout(Duration::from_secs(20), channel.call(request)).await;
}

/// Makes the calls of an attack at the same time.
async fn attack<F: Future<Output = ()> + Send + 'static>(one: impl Fn() -> F) {
    let mut calls = JoinSet::new();
    for _ in 0..CONNECTIONS {
        calls.spawn(one());
    }
    calls.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_peak_of_memory_stays_within_the_documented_bound() {
    let mut app = App::start().await;
    let memory = MEMORY.to_string();
    let url = app.database.url().expose();
    let args = ["--grpc-addr", "127.0.0.1:0", "--message-memory", &memory];
    let server = start_server_process(url, &args);
    app.grpc_addr = server.wait_for_address("serving gRPC");
    server.wait_for_log("serving");
    let upstream = format!("http://{}", app.grpc_addr);
    let args = ["--http-addr", "127.0.0.1:0", "--upstream", &upstream, "--body-memory", &memory];
    let gateway = Program::start(&gateway_path(), &args);
    app.http_addr = gateway.wait_for_address("serving REST");
    let (grpc_addr, http_addr) = (app.grpc_addr, app.http_addr);
    app.assert_serves().await;

    // Empty tasks: with keys that don't exist, with a key, and as many as are decoded, in a message
    // that is as long as may be.
    let many = frame(&b"\x12\x00".repeat(MIB as usize));
    let mut longest = b"\x12\x00".repeat(9_000);
    // A field of a newer contract: its number is 4, and its length 1,894,000.
    longest.extend(b"\x22\xf0\xcc\x73");
    longest.resize(longest.len() + 1_894_000, b'x');
    let longest = frame(&longest);
    // Texts that are decoded: 20 descriptions, and emails.
    let task =
        NewTask { description: "d".repeat(80_000), assignee_emails: vec!["e".repeat(20); 400] };
    let tasks = vec![task; 20];
    let request = BatchCreateTasksRequest { case_id: app.case_id, tasks, ..Default::default() };
    let texts = frame(&request.encode_to_vec());
    // A valid batch with the longest descriptions.
    let longest_task = NewTask { description: "🚀".repeat(10_000), assignee_emails: Vec::new() };
    let tasks = vec![longest_task; 25];
    let request = BatchCreateTasksRequest { case_id: app.case_id, tasks, ..Default::default() };
    let valid = frame(&request.encode_to_vec());
    let key = app.key.clone();
    let (_, _, other_key) = app.other_tenant().await;
    for (key, body) in [
        (None, many.clone()),
        (Some(key.clone()), many),
        (Some(key.clone()), longest),
        (Some(key.clone()), texts),
        (Some(key.clone()), valid),
    ] {
        attack(|| call(grpc_addr, key.clone().unwrap_or_else(new_key), body.clone())).await;
    }
    // Messages that are not finished, of two tenants, as each gets a part only.
    let mut unfinished = Vec::new();
    for n in 0..CONNECTIONS {
        let mut calls = RawCalls::open(grpc_addr).await;
        let key = if n % 2 == 0 { &key } else { &other_key };
        calls.begin(1, Some(key), &framed(0, 2_000_000, &[b' '; 1000 * 1024])).await;
        unfinished.push(calls);
    }
    // Calls whose keys are being looked up: all of them together have room for 124.
    let mut session = Session::open(app.database.url());
    session.query("BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE");
    for _ in 0..CONNECTIONS {
        let mut calls = RawCalls::open(grpc_addr).await;
        calls.begin(200, Some(&new_key()), &[]).await;
        calls.await_responses(76).await;
        unfinished.push(calls);
    }
    session.unlock();
    let server_peak = peak_bytes(&server);
    drop(unfinished);

    // Bodies with as many items as are parsed, with more, with long texts, and unfinished ones.
    let head = request_head(&app);
    let padded = |body: String| {
        let padding = " ".repeat(MIB as usize - body.len());
        format!("{head}content-length: {MIB}\r\n\r\n{body}{padding}")
    };
    for body in [
        format!(r#"{{"tasks":[{}{{}}]}}"#, "{},".repeat(9_000)),
        format!(r#"{{"tasks":[{}{{}}]}}"#, "{},".repeat(300_000)),
        format!(r#"{{"tasks":[{{"description":"{}"}}]}}"#, "x".repeat(1_000_000)),
        format!(r#"{{"{}":1}}"#, "x".repeat(1_000_000)),
    ] {
        let request = padded(body).into_bytes();
        attack(|| {
            let request = request.clone();
            async move { drop(exchange(http_addr, &request, AfterSending::Wait).await) }
        })
        .await;
    }
    let mut unfinished = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = connect(http_addr).await;
        let begin = format!("{head}content-length: {MIB}\r\n\r\n{}", " ".repeat(1_000_000));
        let _rejected = stream.write_all(begin.as_bytes()).await;
        unfinished.push(stream);
    }
    let gateway_peak = peak_bytes(&gateway);
    drop(unfinished);

    println!("peak: server {} MiB, gateway {} MiB", server_peak / MIB, gateway_peak / MIB);
    let bound = |factor: u64| BASE + factor * MEMORY * MIB + CONNECTIONS * MIB;
    assert!(server_peak <= bound(2), "{} MiB", server_peak / MIB);
    assert!(gateway_peak <= bound(4), "{} MiB", gateway_peak / MIB);
    eventually("free memory", async || {
        (CreateCall::new(&app).key(&key).result_over_rest(&app).await == "OK").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_given_back_after_an_outage() {
    // In flight at once: less than one address may have.
    const REQUESTS: usize = 400;
    let mut app = App::start().await;
    let server = start_server_process(app.database.url().expose(), &["--grpc-addr", "127.0.0.1:0"]);
    let upstream = format!("http://{}", server.wait_for_address("serving gRPC"));
    server.wait_for_log("serving");
    let args = [
        "--http-addr",
        "127.0.0.1:0",
        "--upstream",
        &upstream,
        "--upstream-timeout",
        "2s",
        "--max-lag",
        "0s",
    ];
    let gateway = Program::start(&gateway_path(), &args);
    app.http_addr = gateway.wait_for_address("serving REST");
    let app = Arc::new(app);
    let create = async |app: &App| CreateCall::new(app).key(&app.key).result_over_rest(app).await;
    for _ in 0..100 {
        assert_eq!(create(&app).await, "OK");
    }
    let before = status_bytes(&gateway, "VmRSS:");

    server.freeze();
    let task = format!(r#"{{"description":"{}"}}"#, "x".repeat(4_000));
    let body = format!(r#"{{"tasks":[{}]}}"#, vec![task; 20].join(","));
    let request = format!("{}content-length: {}\r\n\r\n{body}", request_head(&app), body.len());
    let mut requests = JoinSet::new();
    for _ in 0..REQUESTS {
        let (to, request) = (app.http_addr, request.clone());
        requests.spawn(async move { exchange(to, request.as_bytes(), AfterSending::Wait).await });
    }
    for reply in requests.join_all().await {
        assert!(reply.status.is_server_error(), "{reply:?}");
    }
    server.resume();

    let peak = peak_bytes(&gateway);
    let taken = peak - before;
    println!("before: {} MiB, peak: {} MiB", before / MIB, peak / MIB);
    assert!(taken > 8 * MIB, "{} MiB is too little to see what is given back", taken / MIB);
    eventually("memory that is given back", async || {
        // A thread gives back what it had as it goes on.
        let mut requests = JoinSet::new();
        for _ in 0..32 {
            let app = app.clone();
            requests.spawn(async move { create(&app).await });
        }
        let are_served = requests.join_all().await.iter().all(|result| result == "OK");
        let after = status_bytes(&gateway, "VmRSS:");
        println!("after: {} MiB", after / MIB);
        (are_served && after < before + taken / 2).then_some(())
    })
    .await;
}
