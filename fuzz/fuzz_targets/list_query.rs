//! The query string of a REST request for a list.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::fuzzing::list_query(bytes));
