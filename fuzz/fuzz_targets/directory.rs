//! gRPC messages that feed users and cases, and name them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| server::fuzzing::directory(bytes));
