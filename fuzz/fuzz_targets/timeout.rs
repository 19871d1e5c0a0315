//! The value of a timeout header: `grpc-timeout` and `Request-Timeout`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    server::fuzzing::grpc_timeout(bytes);
    gateway::fuzzing::request_timeout(bytes);
});
