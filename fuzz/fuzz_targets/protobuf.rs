//! The protobuf message of a gRPC request.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| server::fuzzing::protobuf(bytes));
