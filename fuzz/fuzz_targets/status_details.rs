//! Details of statuses that come back from the server, or from who is before it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::fuzzing::status_details(bytes));
