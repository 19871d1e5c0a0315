//! The query string of a list of cases.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::fuzzing::case_list_query(bytes));
