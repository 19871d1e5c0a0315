//! The JSON body of a REST request that creates or changes a case.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::fuzzing::case_body(bytes));
