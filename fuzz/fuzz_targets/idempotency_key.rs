//! The value of an `Idempotency-Key` header.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::fuzzing::idempotency_key(bytes));
