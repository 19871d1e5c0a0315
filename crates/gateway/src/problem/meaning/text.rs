//! What is said about a reason.

/// What a reason means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    /// When it is given: a sentence without its first capital letter and its full stop.
    pub(super) when: &'static str,
    /// What to do, in sentences.
    pub(super) advice: &'static str,
    /// Whether the gateway never says it.
    pub(super) is_grpc_only: bool,
}

/// Returns what a reason means over REST, and over gRPC.
pub(super) const fn both(when: &'static str, advice: &'static str) -> Meaning {
    Meaning { when, advice, is_grpc_only: false }
}

/// Returns what a reason means that only gRPC has.
pub(super) const fn over_grpc(when: &'static str, advice: &'static str) -> Meaning {
    Meaning { when, advice, is_grpc_only: true }
}
