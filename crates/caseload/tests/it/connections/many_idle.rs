//! Ten thousand idle connections.

use std::{
    fs, io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use crate::support::{
    App, Program, gateway_path,
    http2::{PREFACE, SETTINGS},
    polling::TEST_TIMEOUT,
    raw_http::{connect, get_livez},
    start_server_process,
};

const COUNT: usize = 10_000;

/// How many connections are being opened at the same time.
const CONCURRENCY: usize = 50;

/// The number of open files that this process may need otherwise, for all of its tests.
const OTHER_FILES: u64 = 2_000;

/// The memory that a connection may use in the server or the gateway, in KiB.
const MAX_KIB: usize = 48;

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Grpc,
    Rest,
}

/// Returns the number of connections to open: [`COUNT`], or fewer where the limit of open files,
/// which both ends have, does not allow that many.
fn count() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let available = usize::try_from(limit.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
    if available < COUNT {
        eprintln!("{available} connections of {COUNT}: {limit} files may be open");
    }
    assert!(available >= CONCURRENCY, "{limit} files may be open, which are too few to test with");
    available.min(COUNT)
}

/// Opens a connection and leaves it idle: after an HTTP/2 handshake or, for every fourth connection
/// to the gateway, after a request over HTTP/1.1, which takes longer. Fails where the other end has
/// closed the connection already, because this end was too slow.
async fn open(protocol: Protocol, to: SocketAddr, n: usize) -> io::Result<TcpStream> {
    let mut stream = connect(to).await;
    match protocol {
        Protocol::Rest if n.is_multiple_of(4) => get_livez(&mut stream).await,
        Protocol::Rest | Protocol::Grpc => {
            stream.write_all(&[PREFACE, SETTINGS].concat()).await?;
            // The first byte of the other end's SETTINGS.
            stream.read_u8().await?;
        }
    }
    Ok(stream)
}

/// Opens many connections and returns those that could be opened in time.
async fn open_many(protocol: Protocol, to: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut workers = JoinSet::new();
    for worker in 0..CONCURRENCY {
        workers.spawn(async move {
            let mut opened = Vec::new();
            for n in 0..count / CONCURRENCY {
                opened.extend(open(protocol, to, n + worker).await);
            }
            opened
        });
    }
    workers.join_all().await.into_iter().flatten().collect()
}

/// Returns the resident memory of a process in KiB, on Linux only.
fn resident_kib(program: &Program) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{}/status", program.pid())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Returns the number of open files of a process, on Linux only.
fn open_files(program: &Program) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{}/fd", program.pid())).ok()?.count())
}

/// Starts a server and a gateway as processes with this idle timeout, and half of it as header
/// timeout.
fn start(app: &mut App, idle: Duration) -> [Program; 2] {
    let timeouts =
        ["--idle-timeout", &format!("{idle:?}"), "--header-timeout", &format!("{:?}", idle / 2)];
    let args = [&["--grpc-addr", "127.0.0.1:0"], &timeouts[..]].concat();
    let server = start_server_process(app.database.url().expose(), &args);
    app.grpc_addr = server.wait_for_address("serving gRPC");
    server.wait_for_log("serving");
    let upstream = format!("http://{}", app.grpc_addr);
    let args = [&["--http-addr", "127.0.0.1:0", "--upstream", &upstream], &timeouts[..]].concat();
    let gateway = Program::start(&gateway_path(), &args);
    app.http_addr = gateway.wait_for_address("serving REST");
    [server, gateway]
}

/// Opens `count` connections, checks their memory and that calls succeed meanwhile, and waits until
/// all were closed. Returns whether all were open at once: a busy machine may be too slow for that.
async fn hold(app: &App, program: &Program, protocol: Protocol, count: usize) -> bool {
    let to = match protocol {
        Protocol::Grpc => app.grpc_addr,
        Protocol::Rest => app.http_addr,
    };
    let before = (resident_kib(program), open_files(program));
    let start = Instant::now();
    let connections = open_many(protocol, to, count).await;
    let opened_in = start.elapsed();
    let opened = (before.1.zip(open_files(program)))
        .map_or(count, |(before, now)| now.saturating_sub(before));
    let were_open = opened.min(connections.len()) >= count / CONCURRENCY * CONCURRENCY;
    app.assert_serves().await;
    if were_open && let (Some(before), Some(after)) = (before.0, resident_kib(program)) {
        let kib = after.saturating_sub(before) / count;
        eprintln!("{protocol:?}: {count} opened in {opened_in:.1?}, {kib} KiB each");
        assert!(kib < MAX_KIB, "{protocol:?}: {kib} KiB for each connection");
    }
    for mut connection in connections {
        // A connection that was closed for a missing reply ends with a reset.
        let end = timeout(TEST_TIMEOUT, connection.read_to_end(&mut Vec::new())).await;
        let _reset = end.expect("an idle connection stays open");
    }
    app.assert_serves().await;
    were_open
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_use_little_memory_and_are_closed() {
    let mut app = App::start().await;
    let count = count();
    let mut left = vec![Protocol::Grpc, Protocol::Rest];
    // On a machine that is too busy to open them in time, again with longer timeouts.
    for idle in [4, 12, 24].map(Duration::from_secs) {
        let [server, gateway] = start(&mut app, idle);
        for protocol in std::mem::take(&mut left) {
            let program = match protocol {
                Protocol::Grpc => &server,
                Protocol::Rest => &gateway,
            };
            if !hold(&app, program, protocol, count).await {
                left.push(protocol);
            }
        }
        if left.is_empty() {
            return;
        }
    }
    panic!("never open at once: {left:?}");
}
