//! Ten thousand connections that are open and bring nothing.

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

use super::{
    ask, assert_serves, connect,
    http2::{PREFACE, SETTINGS},
};
use crate::{
    process::CASELOAD,
    support::{App, Program, gateway_path, polling::PATIENCE},
};

const COUNT: usize = 10_000;

/// How many are opened at once.
const HANDS: usize = 50;

/// What else this process, with the other tests in it, may have open.
const OTHER_FILES: u64 = 2_000;

/// The most memory that a connection may take of its program, in KiB.
const MOST_KIB: usize = 48;

#[derive(Clone, Copy, Debug)]
enum Door {
    Grpc,
    Rest,
}

/// As many as the limit of open files leaves room for, up to [`COUNT`]. Both ends have it.
fn count() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let room = usize::try_from(limit.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
    if room < COUNT {
        eprintln!("{room} connections of {COUNT}: {limit} files may be open");
    }
    assert!(room >= HANDS, "{limit} files may be open, which are too few to test with");
    room.min(COUNT)
}

/// Opens a connection that then rests: with settings exchanged over HTTP/2, or, where that is
/// spoken, with a request answered over HTTP/1.1, for one in four since they take longer. Fails
/// where this end was too slow.
async fn open(door: Door, to: SocketAddr, n: usize) -> io::Result<TcpStream> {
    let mut stream = connect(to).await;
    match door {
        Door::Rest if n.is_multiple_of(4) => ask(&mut stream).await,
        Door::Rest | Door::Grpc => {
            stream.write_all(&[PREFACE, SETTINGS].concat()).await?;
            // The other end's settings.
            stream.read_u8().await?;
        }
    }
    Ok(stream)
}

async fn open_many(door: Door, to: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut hands = JoinSet::new();
    for hand in 0..HANDS {
        hands.spawn(async move {
            let mut open_ones = Vec::new();
            for n in 0..count / HANDS {
                open_ones.extend(open(door, to, n + hand).await);
            }
            open_ones
        });
    }
    hands.join_all().await.into_iter().flatten().collect()
}

/// The memory of a program, in KiB. Only Linux tells.
fn resident_kib(program: &Program) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{}/status", program.pid())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// How many files a program has open. Only Linux tells.
fn open_files(program: &Program) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{}/fd", program.pid())).ok()?.count())
}

/// A server and a gateway before it, as processes, that let connections rest for so long.
fn start(app: &mut App, idle: Duration) -> [Program; 2] {
    let patient =
        ["--idle-timeout", &format!("{idle:?}"), "--header-timeout", &format!("{:?}", idle / 2)];
    let url = [("CASELOAD_DATABASE_URL", app.database.url().expose())];
    let args = [&["serve", "--grpc-addr", "127.0.0.1:0"], &patient[..]].concat();
    let server = Program::start_with(CASELOAD, &args, &url);
    app.grpc_addr = server.address("serving gRPC");
    server.logged("serving");
    let upstream = format!("http://{}", app.grpc_addr);
    let args = [&["--http-addr", "127.0.0.1:0", "--upstream", &upstream], &patient[..]].concat();
    let gateway = Program::start(&gateway_path(), &args);
    app.http_addr = gateway.address("serving REST");
    [server, gateway]
}

/// Whether so many were open at once, which a busy machine may be too slow for. Whether they were
/// or not, they are closed in the end.
async fn hold(app: &App, program: &Program, door: Door, count: usize) -> bool {
    let to = match door {
        Door::Grpc => app.grpc_addr,
        Door::Rest => app.http_addr,
    };
    let before = (resident_kib(program), open_files(program));
    let start = Instant::now();
    let connections = open_many(door, to, count).await;
    let opened_in = start.elapsed();
    let opened = (before.1.zip(open_files(program)))
        .map_or(count, |(before, now)| now.saturating_sub(before));
    let were_open = opened.min(connections.len()) >= count / HANDS * HANDS;
    assert_serves(app).await;
    if were_open && let (Some(before), Some(after)) = (before.0, resident_kib(program)) {
        let kib = after.saturating_sub(before) / count;
        eprintln!("{door:?}: {count} opened in {opened_in:.1?}, {kib} KiB each");
        assert!(kib < MOST_KIB, "{door:?}: {kib} KiB for each connection");
    }
    for mut connection in connections {
        // With a reset, where it was closed for what it didn't answer.
        let end = timeout(PATIENCE, connection.read_to_end(&mut Vec::new())).await;
        let _reset = end.expect("a connection that rests stays open");
    }
    assert_serves(app).await;
    were_open
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_that_rest_cost_little_harm_nobody_and_are_closed() {
    let mut app = App::start().await;
    let count = count();
    let mut left = vec![Door::Grpc, Door::Rest];
    // On a machine that is too busy to open them in time, again and more patiently.
    for idle in [4, 12, 24].map(Duration::from_secs) {
        let [server, gateway] = start(&mut app, idle);
        for door in std::mem::take(&mut left) {
            let program = match door {
                Door::Grpc => &server,
                Door::Rest => &gateway,
            };
            if !hold(&app, program, door, count).await {
                left.push(door);
            }
        }
        if left.is_empty() {
            return;
        }
    }
    panic!("never open at once: {left:?}");
}
