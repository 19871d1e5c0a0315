//! A gRPC message that changes tasks.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| server::fuzzing::updates(bytes));
