//! The protocols of an endpoint.

use std::time::Duration;

use hyper_util::{rt::TokioTimer, server::conn::auto::Builder};

use crate::{opened::HttpVersion, send_limit::SendLimit, stream_task::StreamExecutor};

/// Selects the HTTP versions of an endpoint, and limits what one connection may use of it.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// Whether only HTTP/2 is accepted.
    pub is_http2_only: bool,
    /// The largest head of a request, in bytes. HTTP/2 counts 32 more for each header (RFC 9113,
    /// 6.5.2).
    pub max_head_bytes: u32,
    /// The maximum number of concurrent requests on one connection (HTTP/2).
    ///
    /// It is also the maximum number of requests that the client has reset before they were accepted.
    /// One more closes the connection (CVE-2023-44487, "rapid reset"). It can't be less: a client
    /// whose requests are not answered in time resets all of them at once.
    pub max_streams: u32,
    /// The maximum number of requests, over the life of a connection, that the server has reset,
    /// because they violated the protocol (CVE-2025-8671, "MadeYouReset") or because their bodies
    /// went on after the response. One more closes the connection and aborts its requests. `None`
    /// sets no limit: for clients whose one connection carries the requests of many callers.
    pub max_ended_streams: Option<usize>,
    /// How often the server sends a PING frame (HTTP/2).
    pub ping_interval: Duration,
    /// How long the client may take to acknowledge a PING frame.
    pub ping_timeout: Duration,
}

/// Builders of connections.
#[derive(Clone, Debug)]
pub(crate) struct Builders {
    of_first_bytes: Builder<StreamExecutor>,
    http1: Builder<StreamExecutor>,
    http2: Builder<StreamExecutor>,
}

impl Builders {
    /// Returns the builder of connections of a version.
    pub(crate) fn of(&self, version: HttpVersion) -> &Builder<StreamExecutor> {
        match version {
            HttpVersion::OfFirstBytes => &self.of_first_bytes,
            HttpVersion::Http1 => &self.http1,
            HttpVersion::Http2 => &self.http2,
        }
    }
}

impl Protocol {
    /// Returns builders of connections that obey these limits, and that one for responses.
    pub(crate) fn builders(&self, limit: SendLimit) -> Builders {
        let builder = self.builder(limit);
        let (http1, http2) = (builder.clone().http1_only(), builder.clone().http2_only());
        let of_first_bytes = if self.is_http2_only { http2.clone() } else { builder };
        Builders { of_first_bytes, http1, http2 }
    }

    fn builder(&self, limit: SendLimit) -> Builder<StreamExecutor> {
        let mut builder = Builder::new(StreamExecutor(limit));
        builder
            .http1()
            .timer(TokioTimer::new())
            // `Activity` replaces it: hyper's also closes connections that are idle.
            .header_read_timeout(None)
            .max_buf_size(self.max_head_bytes as usize);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(self.max_head_bytes)
            .max_concurrent_streams(self.max_streams)
            .max_pending_accept_reset_streams(self.max_streams as usize)
            .max_local_error_reset_streams(self.max_ended_streams)
            .keep_alive_interval(self.ping_interval)
            .keep_alive_timeout(self.ping_timeout);
        builder
    }
}
