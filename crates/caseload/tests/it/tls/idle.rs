//! What idle connections with TLS take.

use std::fs;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    client::Client,
    files::{Files, borrowed},
};
use crate::support::{
    Program, gateway_path,
    http2::{PREFACE, SETTINGS},
};

const COUNT: usize = 400;

/// The memory that a connection may use in the gateway, in KiB.
const MAX_KIB: usize = 96;

/// Returns the resident memory of a process in KiB, on Linux only.
fn resident_kib(program: &Program) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{}/status", program.pid())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_with_tls_use_little_memory() {
    let files = Files::create();
    let args = files.listener(&["--http-addr", "127.0.0.1:0"]);
    let gateway = Program::start(&gateway_path(), &borrowed(&args));
    let addr = gateway.wait_for_address("serving REST");
    let client = Client::of(&files).protocols(&["h2"]);
    let open = async || {
        let mut stream = client.connect(addr).await.unwrap();
        stream.write_all(&[PREFACE, SETTINGS].concat()).await.unwrap();
        // The first byte of the other end's SETTINGS.
        stream.read_u8().await.unwrap();
        stream
    };
    // What the first ones need once, such as the cache of sessions, is not theirs.
    let mut connections = Vec::new();
    for _ in 0..COUNT / 2 {
        connections.push(open().await);
    }
    let before = resident_kib(&gateway);
    for _ in 0..COUNT {
        connections.push(open().await);
    }
    if let (Some(before), Some(after)) = (before, resident_kib(&gateway)) {
        let kib = after.saturating_sub(before) / COUNT;
        eprintln!("{COUNT} idle connections with TLS: {kib} KiB each");
        assert!(kib < MAX_KIB, "{kib} KiB for each connection");
    }
}
