//! A connection with calls that send as much as a test says, and no more.

use std::{collections::BTreeSet, net::SocketAddr};

use domain::ApiKey;
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::tcp::OwnedWriteHalf,
    sync::mpsc,
    time::timeout,
};

use crate::{
    malformed_input::grpc_messages::METHOD,
    support::{
        http2::{DATA, Frame, HEADERS, PREFACE, SETTINGS, call_headers, frame},
        polling::TEST_TIMEOUT,
        raw_http::connect,
    },
};

/// The types of SETTINGS and of WINDOW_UPDATE frames, and the flag of SETTINGS that acknowledge others.
const SETTINGS_KIND: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;

/// The flags of a frame that ends its stream, and of one that ends its headers.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// An HTTP/2 connection to the server, with calls that were begun.
pub(crate) struct RawCalls {
    writer: OwnedWriteHalf,
    /// The streams that were responded to, as they are.
    responses: mpsc::UnboundedReceiver<u32>,
    /// The streams of calls that are not known to be responded to.
    running: BTreeSet<u32>,
    next: u32,
}

impl RawCalls {
    /// Opens a connection.
    pub(crate) async fn open(to: SocketAddr) -> Self {
        let (reader, mut writer) = connect(to).await.into_split();
        let mut reader = BufReader::new(reader);
        writer.write_all(&[PREFACE, SETTINGS].concat()).await.unwrap();
        // The server's window for a stream is in its SETTINGS, which take effect once acknowledged. That
        // for the connection follows, and counts once it is sent.
        for kind in [SETTINGS_KIND, WINDOW_UPDATE] {
            while Frame::read(&mut reader).await.unwrap().kind() != kind {}
        }
        writer.write_all(&frame(SETTINGS_KIND, ACK, 0, &[])).await.unwrap();
        let (sender, responses) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(frame) = Frame::read(&mut reader).await {
                if frame.kind() == HEADERS && sender.send(frame.stream()).is_err() {
                    return;
                }
            }
        });
        Self { writer, responses, running: BTreeSet::new(), next: 1 }
    }

    /// Begins so many calls to create tasks, each with the beginning of a body.
    pub(crate) async fn begin(&mut self, count: u32, key: Option<&ApiKey>, body: &[u8]) {
        self.begin_at(METHOD, count, key, body).await;
    }

    /// Begins so many calls of a method, each with the beginning of a body.
    pub(crate) async fn begin_at(
        &mut self,
        method: &str,
        count: u32,
        key: Option<&ApiKey>,
        body: &[u8],
    ) {
        let authorization = key.map(|key| format!("Bearer {}", key.expose()));
        let more = authorization.as_deref().map(|value| ("authorization", value));
        let block = call_headers(method, more.as_slice());
        let mut bytes = Vec::new();
        for _ in 0..count {
            bytes.extend(frame(HEADERS, END_HEADERS, self.next, &block));
            for chunk in body.chunks(16 * 1024) {
                bytes.extend(frame(DATA, 0, self.next, chunk));
            }
            self.running.insert(self.next);
            self.next += 2;
        }
        self.writer.write_all(&bytes).await.unwrap();
    }

    /// Waits until so many more calls were responded to.
    pub(crate) async fn await_responses(&mut self, count: usize) {
        let left = self.running.len() - count;
        while self.running.len() > left {
            let response = timeout(TEST_TIMEOUT, self.responses.recv()).await.expect("a response");
            self.running.remove(&response.expect("the connection was closed"));
        }
    }

    /// Returns how many calls were not responded to by now.
    pub(crate) fn running(&mut self) -> usize {
        while let Ok(stream) = self.responses.try_recv() {
            self.running.remove(&stream);
        }
        self.running.len()
    }

    /// Ends the body of the first call that was not responded to.
    pub(crate) async fn end_one(&mut self) {
        let stream = *self.running.first().unwrap();
        self.writer.write_all(&frame(DATA, END_STREAM, stream, &[])).await.unwrap();
    }
}
