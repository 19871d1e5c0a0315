//! Command-line options for connections.

use std::time::Duration;

use clap::Args;
use runtime::command_line::{DAY, MILLISECOND, YEAR, count, duration};

use crate::limits::{Limits, MaxAge};

/// Limits on the connections from clients.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Connections")]
pub struct ConnectionOptions {
    /// The maximum number of connections from clients; further ones are closed at once
    #[arg(long, env = "CASELOAD_MAX_CONNECTIONS", default_value_t = 20_000, value_parser = count(1_u32..=1_000_000), value_name = "COUNT")]
    pub max_connections: u32,

    /// How long a client may take to send the HTTP/2 preface after it has connected, or over
    /// HTTP/1.1 the head of a request: the first one after it has connected, further ones after
    /// their first byte
    #[arg(long, env = "CASELOAD_HEADER_TIMEOUT", default_value = "10s", value_parser = duration(MILLISECOND..=DAY), value_name = "DURATION")]
    pub header_timeout: Duration,

    /// How long a connection may be idle between requests; must be longer than a load balancer
    /// keeps idle connections [default: 75s for REST, 1h for gRPC]
    #[arg(long, env = "CASELOAD_IDLE_TIMEOUT", value_parser = duration(MILLISECOND..=DAY), value_name = "DURATION")]
    pub idle_timeout: Option<Duration>,

    /// How long a client may leave a part of a response untaken before the response is reset (over
    /// HTTP/1.1: the connection closed). It is at most 1s while more than half of the requests in
    /// flight, or of the memory for bodies, are used
    #[arg(long, env = "CASELOAD_SEND_TIMEOUT", default_value = "30s", value_parser = duration(MILLISECOND..=DAY), value_name = "DURATION")]
    pub send_timeout: Duration,

    /// The age, give or take a tenth, at which a connection is closed, so that clients reconnect
    /// and spread over replicas that were added. Running requests are completed; a connection over
    /// HTTP/1.1 is closed with the next response
    #[arg(long, env = "CASELOAD_MAX_CONNECTION_AGE", default_value = "5m", value_parser = duration(MILLISECOND..=YEAR), value_name = "DURATION")]
    pub max_connection_age: Duration,
}

/// How much longer than the longest request the grace after the maximum age lasts: time to send
/// the last response.
const AGE_SLACK: Duration = Duration::from_secs(1);

impl ConnectionOptions {
    /// Returns the limits of an endpoint whose default idle timeout is `idle_timeout`, and whose
    /// requests take `longest_request` at most.
    #[must_use]
    pub fn limits(&self, idle_timeout: Duration, longest_request: Duration) -> Limits {
        let grace = longest_request.saturating_add(AGE_SLACK);
        Limits {
            max_connections: self.max_connections,
            header_timeout: self.header_timeout,
            idle_timeout: self.idle_timeout.unwrap_or(idle_timeout),
            send_timeout: self.send_timeout,
            max_age: MaxAge { age: self.max_connection_age, grace },
        }
    }
}
