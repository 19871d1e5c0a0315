//! Connections of the server and the gateway: limits, timeouts, idle time, max age.

mod http1;
mod http2;
mod many_idle;
mod max_age;
mod open_files;
mod rapid_reset;
