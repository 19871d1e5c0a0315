//! Details of statuses that come back from the server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::fuzzing::status_details(bytes));
