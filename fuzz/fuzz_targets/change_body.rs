//! The JSON body of a REST request that changes or deletes several tasks.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::fuzzing::change_body(bytes));
