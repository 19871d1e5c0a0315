//! The value of the header `If-Match`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::fuzzing::if_match(bytes));
