//! Handshakes that clients do not complete.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep},
};
use tokio_rustls::client::TlsStream;

use super::{
    client::Client,
    files::{Files, borrowed, listeners},
};
use crate::support::{
    App, Program, gateway_path,
    http2::{PREFACE, SETTINGS},
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
        // Sent one after the other, they take 20 s; each of them comes long before the timeout.
        let bytes = [START, &[0; 400]].concat();
        let mut sent = 0;
        for byte in &bytes {
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            sent += 1;
            sleep(Duration::from_millis(50)).await;
        }
        assert!(sent < bytes.len(), "{addr}: all were taken");
    }
}

/// Opens connections and begins handshakes on them. Returns once the listener has them all.
async fn begin_handshakes(client: &Client, addr: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut halves = Vec::new();
    for _ in 0..count {
        let mut half = connect(addr).await;
        half.write_all(START).await.unwrap();
        halves.push(half);
    }
    // Connections are accepted in the order in which they were made.
    eventually("a connection after them", async || open(client, addr).await.ok()).await;
    halves
}

/// Opens a connection. Returns once the listener has completed the handshake, too.
async fn open(client: &Client, addr: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
    let mut stream = client.connect(addr).await?;
    stream.write_all(&[PREFACE, SETTINGS].concat()).await?;
    // The first byte of the other end's SETTINGS.
    stream.read_u8().await?;
    Ok(stream)
}

/// The quota is half of the connections, and the share of an address is a part of that.
#[tokio::test(flavor = "multi_thread")]
async fn half_done_handshakes_have_a_quota_in_all_and_for_each_address() {
    let app = App::start().await;
    let files = Files::create();
    let client = Client::of(&files).protocols(&["h2"]);
    for (limit, has_shares) in [
        (&["--max-connections", "6"][..], false),
        (&["--max-connections", "12", "--address-share", "50", "--trusted-proxies", "none"], true),
    ] {
        let args = files.listener(&[&["--header-timeout", "1h"], limit].concat());
        for addr in listeners(&app, &args).await {
            // Complete ones are not among them.
            let complete = open(&client, addr).await.unwrap();
            let mut halves = begin_handshakes(&client, addr, 2).await;
            halves.extend([connect(addr).await]);
            assert_eq!(read_to_end(&mut connect(addr).await).await, b"", "{addr}");
            if has_shares && cfg!(target_os = "linux") {
                // They take nothing of what others have.
                let other = TcpSocket::new_v4().unwrap();
                other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
                let stream = other.connect(addr).await.unwrap();
                client.connect_over(stream).await.unwrap();
            }
            drop(halves);
            eventually("a free place", async || open(&client, addr).await.ok()).await;
            drop(complete);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_takes_too_long_is_logged() {
    let files = Files::create();
    let args = files.listener(&["--http-addr", "127.0.0.1:0", "--header-timeout", "100ms"]);
    let gateway = Program::start(&gateway_path(), &borrowed(&args));
    let mut half = connect(gateway.wait_for_address("serving REST")).await;
    half.write_all(START).await.unwrap();
    let line = gateway.wait_for_log("TLS handshake timed out");
    assert_eq!((&line["level"], &line["suppressed"]), (&"INFO".into(), &0.into()));
    assert_eq!(line["peer"], half.local_addr().unwrap().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_does_not_wait_for_half_done_handshakes() {
    let app = App::start().await;
    let files = Files::create();
    let client = Client::of(&files).protocols(&["h2"]);
    let args = files.listener(&["--header-timeout", "1h", "--drain-timeout", "1h"]);
    let mut halves = Vec::new();
    for addr in listeners(&app, &args).await {
        halves.extend(begin_handshakes(&client, addr, 1).await);
    }
    app.shutdown.cancel();
    for half in &mut halves {
        read_to_end(half).await;
    }
}
