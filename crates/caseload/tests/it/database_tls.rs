//! TLS to the database: each connection is encrypted and knows whom it talks to, or there is none.

mod fixture;
mod refusals;
mod renewal;
mod use_of_it;
