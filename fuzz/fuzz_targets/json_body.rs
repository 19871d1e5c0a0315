//! The JSON body of a REST request.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::fuzzing::json_body(bytes));
