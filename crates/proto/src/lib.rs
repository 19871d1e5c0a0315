//! Caseload's gRPC contract: the types and services generated from `proto/`, and [`wire`], what
//! both sides must agree on beyond them.

pub mod codec;
mod decoded_size;
pub mod wire;

pub use decoded_size::{RequestLayout, TooManyItems};

/// `caseload.cases.v1`: creating and changing cases.
pub mod cases {
    /// Version 1 of the contract. The documentation of each item is that of the proto files.
    pub mod v1 {
        tonic::include_proto!("caseload.cases.v1");
    }
}

/// `caseload.directory.v1`: feeding users and cases.
pub mod directory {
    /// Version 1 of the contract. The documentation of each item is that of the proto files.
    pub mod v1 {
        tonic::include_proto!("caseload.directory.v1");
    }
}

/// `caseload.tasks.v1`: creating and tracking the tasks of cases.
pub mod tasks {
    /// Version 1 of the contract. The documentation of each item is that of the proto files.
    pub mod v1 {
        tonic::include_proto!("caseload.tasks.v1");
    }
}

/// Encodes and decodes messages.
pub use prost::Message;

/// A point in time, as messages have it. `Display` writes it as RFC 3339 does.
pub use prost_types::Timestamp;

/// Which fields of a message to change.
pub use prost_types::FieldMask;

/// The encoded `FileDescriptorSet` of the whole contract, imports and comments included, for
/// gRPC reflection.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor_set.bin"));
