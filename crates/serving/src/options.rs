//! How the doors are configured.

use std::time::Duration;

use clap::{Args, value_parser};

use crate::{Limits, MaxAge};
use runtime::command_line::above_zero;

/// What callers may take of a door by connecting to it.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Connections")]
pub struct ConnectionOptions {
    /// The most connections from callers; one more is closed at once
    #[arg(long, env = "CASELOAD_MAX_CONNECTIONS", default_value_t = 20_000, value_parser = value_parser!(u32).range(1..), value_name = "COUNT")]
    pub max_connections: u32,

    /// How long a connection may take to open HTTP/2, or to bring the head of a request over
    /// HTTP/1.1, from its first byte, or from the connection's opening
    #[arg(long, env = "CASELOAD_HEADER_TIMEOUT", default_value = "10s", value_parser = above_zero, value_name = "DURATION")]
    pub header_timeout: Duration,

    /// How long a connection may rest between requests; more than a balancer keeps one [default:
    /// 75s over REST, 1h over gRPC]
    #[arg(long, env = "CASELOAD_IDLE_TIMEOUT", value_parser = above_zero, value_name = "DURATION")]
    pub idle_timeout: Option<Duration>,

    /// How old a connection over HTTP/2 may be before its client is asked to open another one, so
    /// that clients spread over replicas that were added; a tenth more or less. Requests that run
    /// on it are finished
    #[arg(long, env = "CASELOAD_MAX_CONNECTION_AGE", default_value = "5m", value_parser = above_zero, value_name = "DURATION")]
    pub max_connection_age: Duration,
}

/// How much longer than a request may take an aged connection is kept: the way of the last answer.
const AGE_SLACK: Duration = Duration::from_secs(1);

impl ConnectionOptions {
    /// The limits of a door at which a connection rests for so long unless told otherwise, and a
    /// request takes so long at the most.
    #[must_use]
    pub fn limits(&self, idle_timeout: Duration, longest_request: Duration) -> Limits {
        let grace = longest_request.saturating_add(AGE_SLACK);
        Limits {
            max_connections: self.max_connections,
            header_timeout: self.header_timeout,
            idle_timeout: self.idle_timeout.unwrap_or(idle_timeout),
            max_age: MaxAge { age: self.max_connection_age, grace },
        }
    }
}
