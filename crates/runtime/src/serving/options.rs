//! What callers may take of a door by connecting to it.

use std::time::Duration;

use clap::{Args, value_parser};
use humantime::parse_duration;

/// What callers may take of a door by connecting to it.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Connections")]
pub struct ConnectionOptions {
    /// The most connections from callers; one more is closed at once
    #[arg(long, env = "CASELOAD_MAX_CONNECTIONS", default_value_t = 20_000, value_parser = value_parser!(u32).range(1..), value_name = "COUNT")]
    pub max_connections: u32,

    /// How long a request's head may take to come, from its first byte, or from the connection's
    /// opening
    #[arg(long, env = "CASELOAD_HEADER_TIMEOUT", default_value = "10s", value_parser = parse_duration, value_name = "DURATION")]
    pub header_timeout: Duration,

    /// How long a connection may rest between requests; more than a balancer keeps one
    #[arg(long, env = "CASELOAD_IDLE_TIMEOUT", default_value = "75s", value_parser = parse_duration, value_name = "DURATION")]
    pub idle_timeout: Duration,
}

impl ConnectionOptions {
    /// The shorter of the time-outs.
    pub(crate) fn shortest(&self) -> Duration {
        self.header_timeout.min(self.idle_timeout)
    }
}
