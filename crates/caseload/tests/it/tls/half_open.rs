//! Handshakes that clients do not complete.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep},
};

use super::{
    client::Client,
    files::{Files, listeners},
};
use crate::support::{
    App,
    polling::eventually,
    raw_http::{connect, read_to_end},
};

/// The beginning of a ClientHello: a record of the type "handshake" of 512 bytes, of which few are sent.
const START: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

#[tokio::test(flavor = "multi_thread")]
async fn a_half_done_handshake_is_closed_after_the_header_timeout() {
    let app = App::start().await;
    let files = Files::create();
    for addr in listeners(&app, &files.listener(&["--header-timeout", "200ms"])).await {
        for sent in [&b""[..], &START[..1], START] {
            let begun = Instant::now();
            let mut stream = connect(addr).await;
            stream.write_all(sent).await.unwrap();
            read_to_end(&mut stream).await;
            assert!(begun.elapsed() >= Duration::from_millis(190), "{:?}", begun.elapsed());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn single_bytes_of_a_handshake_do_not_extend_the_header_timeout() {
    let app = App::start().await;
    let files = Files::create();
    for addr in listeners(&app, &files.listener(&["--header-timeout", "300ms"])).await {
        let mut stream = connect(addr).await;
        // The last byte would be sent many seconds later.
        let mut sent = 0;
        for byte in [START, &[0; 400]].concat() {
            if stream.write_all(&[byte]).await.is_err() {
                break;
            }
            sent += 1;
            sleep(Duration::from_millis(50)).await;
        }
        assert!(sent < 100, "{addr}: {sent} bytes were taken");
    }
}

/// The time of the handshake is not added to that of the first request.
#[tokio::test(flavor = "multi_thread")]
async fn the_header_timeout_begins_before_the_handshake() {
    let app = App::start().await;
    let files = Files::create();
    for addr in listeners(&app, &files.listener(&["--header-timeout", "2s"])).await {
        let begun = Instant::now();
        // The handshake passes through a pipe that opens after most of the time.
        let slow = slow_start(addr, Duration::from_millis(1500)).await;
        let mut stream = Client::of(&files).protocols(&["h2"]).connect(slow).await.unwrap();
        let mut read = Vec::new();
        let _closed = stream.read_to_end(&mut read).await;
        assert!(begun.elapsed() < Duration::from_millis(3400), "{:?}", begun.elapsed());
    }
}

/// Starts a proxy that connects to a listener at once, and forwards what the client sends after a while.
async fn slow_start(to: SocketAddr, after: Duration) -> SocketAddr {
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = proxy.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut client, _) = proxy.accept().await.unwrap();
        let mut server = TcpStream::connect(to).await.unwrap();
        sleep(after).await;
        let _ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    });
    addr
}

#[tokio::test(flavor = "multi_thread")]
async fn half_done_handshakes_count_as_connections_of_their_address() {
    let app = App::start().await;
    let files = Files::create();
    for limit in [
        // In all, and for one address, of which half of four is two.
        &["--max-connections", "2"][..],
        &["--max-connections", "4", "--address-share", "50", "--trusted-proxies", "none"],
    ] {
        let args = [&["--header-timeout", "1s"], limit].concat();
        for addr in listeners(&app, &files.listener(&args)).await {
            let mut halves = [connect(addr).await, connect(addr).await];
            for half in &mut halves {
                half.write_all(START).await.unwrap();
            }
            assert_eq!(read_to_end(&mut connect(addr).await).await, b"", "{addr}");
            let client = Client::of(&files).protocols(&["h2"]);
            if limit.contains(&"--address-share") && cfg!(target_os = "linux") {
                // They take nothing of what others have.
                let other = TcpSocket::new_v4().unwrap();
                other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
                let stream = other.connect(addr).await.unwrap();
                client.connect_over(stream).await.unwrap();
            }
            // Then they make room.
            eventually("a free place", async || client.connect(addr).await.ok()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_does_not_wait_for_half_done_handshakes() {
    let app = App::start().await;
    let files = Files::create();
    let args = files.listener(&["--header-timeout", "1h", "--drain-timeout", "1h"]);
    let [grpc, rest] = listeners(&app, &args).await;
    let mut halves = [connect(grpc).await, connect(rest).await];
    for half in &mut halves {
        half.write_all(START).await.unwrap();
    }
    app.shutdown.cancel();
    for half in &mut halves {
        read_to_end(half).await;
    }
}
