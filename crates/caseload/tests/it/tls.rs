//! TLS of the server, the gateway and the calls between them.

mod client;
mod files;
mod half_open;
mod handshake;
mod idle;
mod mutual;
mod programs;
mod reload;
mod upstream;
