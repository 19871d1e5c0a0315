//! A gRPC message that lists tasks.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| server::fuzzing::list(bytes));
