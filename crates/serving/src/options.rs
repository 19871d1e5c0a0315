//! Command-line options for connections.

use std::time::Duration;

use clap::Args;
use http::HeaderName;
use runtime::command_line::{DAY, MILLISECOND, YEAR, count, duration};
use tls::TlsOptions;

use crate::{
    clients::ClientRules,
    cors::BrowserOptions,
    limits::{Limits, MaxAge},
    trusted_proxies::TrustedProxies,
};

/// The connections from clients: their limits, TLS, and the pages that may make requests on them.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connections")]
pub struct ConnectionOptions {
    /// The maximum number of connections from clients; further ones are closed at once
    #[arg(long, env = "CASELOAD_MAX_CONNECTIONS", default_value_t = 20_000, value_parser = count(1_u32..=1_000_000), value_name = "COUNT")]
    pub max_connections: u32,

    /// How long a client may take to send the HTTP/2 preface after it has connected, or over
    /// HTTP/1.1 the head of a request: the first one after it has connected, further ones after
    /// their first byte. The TLS handshake is part of that time
    #[arg(long, env = "CASELOAD_HEADER_TIMEOUT", default_value = "10s", value_parser = duration(MILLISECOND..=DAY), value_name = "DURATION")]
    pub header_timeout: Duration,

    /// How long a connection may be idle between requests; must be longer than a load balancer
    /// keeps idle connections [default: 75s for REST and over HTTP/1.1, 1h for gRPC]
    #[arg(long, env = "CASELOAD_IDLE_TIMEOUT", value_parser = duration(MILLISECOND..=DAY), value_name = "DURATION")]
    pub idle_timeout: Option<Duration>,

    /// How long a client may leave a part of a response untaken before the response is reset (over
    /// HTTP/1.1: the connection closed). It is at most 1s while more than half of the requests in
    /// flight, or of the memory for bodies or messages, are used, or as many requests are in flight as may be
    /// because of --max-lag
    #[arg(long, env = "CASELOAD_SEND_TIMEOUT", default_value = "30s", value_parser = duration(MILLISECOND..=DAY), value_name = "DURATION")]
    pub send_timeout: Duration,

    /// The age, give or take a tenth, at which a connection is closed, so that clients reconnect
    /// and spread over replicas that were added. Running requests are completed; a connection over
    /// HTTP/1.1 is closed with the next response
    #[arg(long, env = "CASELOAD_MAX_CONNECTION_AGE", default_value = "5m", value_parser = duration(MILLISECOND..=YEAR), value_name = "DURATION")]
    pub max_connection_age: Duration,

    /// How late the program may be with what is ready to be done, at two checks in a row, before fewer
    /// requests may be in flight than otherwise; 0s turns that off, and otherwise it is at least 10ms. It
    /// checks that ten times a second while it is in time. It is late for lack of processor time, not because of a
    /// slow database or slow servers
    #[arg(long, env = "CASELOAD_MAX_LAG", default_value = "100ms", value_parser = max_lag, value_name = "DURATION")]
    pub max_lag: Duration,

    /// The part of the connections, the requests in flight and the memory for bodies that one client
    /// address may use, in percent; an IPv6 network of 64 bits counts as one address. 100 sets no
    /// such limit [default: 25 for REST, 100 for gRPC]
    #[arg(long, env = "CASELOAD_ADDRESS_SHARE", value_parser = count(1_u8..=100), value_name = "PERCENT")]
    pub address_share: Option<u8>,

    /// The proxies that are believed when they name the client's address in X-Forwarded-For, as
    /// addresses or networks separated by commas; or none. The share of a client behind them is
    /// that of the address that they name; where they name none, it is not limited. An API key with
    /// allowed addresses is accepted through proxies only if they are named here
    /// [default: 127.0.0.0/8,::1]
    #[arg(long, env = "CASELOAD_TRUSTED_PROXIES", value_name = "NETWORKS")]
    pub trusted_proxies: Option<TrustedProxies>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the group")]
    pub tls: TlsOptions,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the group")]
    pub browsers: BrowserOptions,
}

/// How long a connection over HTTP/1.1 may be idle by default: longer than load balancers keep one.
const HTTP1_IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How much longer than the longest request the grace after the maximum age lasts: time to send
/// the last response.
const AGE_SLACK: Duration = Duration::from_secs(1);

/// The least of `--max-lag`, but for zero: the timer itself is a few milliseconds late.
const LEAST_LAG: Duration = Duration::from_millis(10);

fn max_lag(text: &str) -> Result<Duration, String> {
    let lag = duration(Duration::ZERO..=DAY)(text)?;
    if lag.is_zero() || lag >= LEAST_LAG {
        return Ok(lag);
    }
    Err(format!("must be 0s, or at least {LEAST_LAG:?} and at most 1day"))
}

impl ConnectionOptions {
    /// Returns the rules to tell clients apart on an endpoint whose default share of an address is
    /// `share_percent`. Proxies name their clients in the header `forwarded_for`.
    #[must_use]
    pub fn client_rules(&self, share_percent: u8, forwarded_for: HeaderName) -> ClientRules {
        ClientRules {
            trusted_proxies: self.trusted_proxies.clone().unwrap_or_default(),
            forwarded_for,
            share_percent: self.address_share.unwrap_or(share_percent),
        }
    }

    /// Returns the limits of an endpoint whose default idle timeout over HTTP/2 is `idle_timeout`, and
    /// whose requests take `longest_request` at most.
    #[must_use]
    pub fn limits(&self, idle_timeout: Duration, longest_request: Duration) -> Limits {
        let grace = longest_request.saturating_add(AGE_SLACK);
        Limits {
            max_connections: self.max_connections,
            header_timeout: self.header_timeout,
            idle_timeout: self.idle_timeout.unwrap_or(idle_timeout),
            http1_idle_timeout: self.idle_timeout.unwrap_or(HTTP1_IDLE_TIMEOUT),
            send_timeout: self.send_timeout,
            max_age: MaxAge { age: self.max_connection_age, grace },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    fn idle_timeouts(args: &[&str]) -> (Duration, Duration) {
        let command = ConnectionOptions::augment_args(Command::new("test").no_binary_name(true));
        let options = ConnectionOptions::from_arg_matches(&command.get_matches_from(args)).unwrap();
        let limits = options.limits(Duration::from_secs(3600), Duration::from_secs(30));
        (limits.idle_timeout, limits.http1_idle_timeout)
    }

    #[test]
    fn a_lag_is_zero_or_more_than_a_timer_has_by_itself() {
        assert_eq!(max_lag("0s"), Ok(Duration::ZERO));
        assert_eq!(max_lag("10ms"), Ok(Duration::from_millis(10)));
        assert_eq!(max_lag("9ms"), Err("must be 0s, or at least 10ms and at most 1day".to_owned()));
        assert!(max_lag("2days").is_err());
    }

    #[test]
    fn http_1_has_an_idle_timeout_of_its_own_unless_one_is_given() {
        let secs = Duration::from_secs;
        assert_eq!(idle_timeouts(&[]), (secs(3600), secs(75)));
        assert_eq!(idle_timeouts(&["--idle-timeout", "90s"]), (secs(90), secs(90)));
    }
}
