//! Values of both headers that give a time: gRPC's and REST's.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    server::fuzzing::grpc_timeout(bytes);
    gateway::fuzzing::request_timeout(bytes);
});
