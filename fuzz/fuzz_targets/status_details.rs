//! The decoded details of a gRPC status that the gateway received.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::fuzzing::status_details(bytes));
