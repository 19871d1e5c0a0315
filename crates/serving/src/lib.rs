//! Serves HTTP connections within limits: how many there may be, how much each may hold, how long
//! each may be idle, how old it may become, and how long a client may leave a response untaken. They
//! speak plaintext or TLS.
//!
//! It knows HTTP and tower services, but none of the services that Caseload offers.

mod activity;
mod admin_port;
mod body;
mod check_timer;
mod clients;
mod connection;
mod connection_id;
mod cors;
mod deadline;
mod delivery;
mod endpoint;
mod handshake;
mod lag;
mod lifetime;
mod limits;
mod listener;
mod opened;
mod options;
mod origins;
mod peers;
mod preface;
mod protocol;
mod quota;
mod send_limit;
mod server;
mod stream;
mod stream_task;
mod trusted_proxies;
mod unread_body;
mod untaken;

pub use admin_port::{AdminPort, AdminPortOptions, BindError};
pub use clients::{Client, ClientRules};
pub use connection_id::ConnectionId;
pub use cors::{BrowserOptions, CorsRules};
pub use delivery::hold_until_sent;
pub use endpoint::Endpoint;
pub use lag::{LateMetrics, adapt};
pub use limits::{Limits, MaxAge};
pub use listener::bind;
pub use options::ConnectionOptions;
pub use origins::{MalformedOrigins, Origins};
pub use peers::Resource;
pub use protocol::Protocol;
pub use quota::{Exhausted, LEAST_WHILE_LOWERED, Quota, QuotaPermit};
pub use server::serve;
pub use tls::{ListenerTls, TlsError, TlsOptions};
pub use trusted_proxies::TrustedProxies;
pub use unread_body::{ReturningBody, UnreadBody, watch_body};
