//! Headers with the details of a status, from the server or from who is before it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::fuzzing::details_header(bytes));
