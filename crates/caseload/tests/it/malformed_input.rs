//! Input that can't be read: it is rejected with a reason, and other callers are served.

pub(crate) mod grpc_messages;
mod json_bodies;
mod random_bytes;
