//! The header `grpc-status-details-bin`, as a server or an intermediary may send it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::fuzzing::details_header(bytes));
