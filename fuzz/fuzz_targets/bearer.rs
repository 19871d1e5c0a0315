//! The credentials in an `authorization` header.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| server::fuzzing::bearer(bytes));
