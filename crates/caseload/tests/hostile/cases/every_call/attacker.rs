//! One caller of the tenant, and the calls that its callers have made.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use prost::Message;
use proto::wire::METHODS;

use crate::{
    attack::{
        http2::Peer,
        message::{grpc_frame, grpc_head_of},
    },
    deployment::Tenant,
    figures::Figures,
};

#[derive(Clone)]
pub(super) struct Attacker {
    pub(super) peer: Peer,
    pub(super) tenant: Arc<Tenant>,
    pub(super) calls: Arc<Calls>,
}

/// How many calls of each method of the contract have succeeded.
pub(super) struct Calls(BTreeMap<&'static str, AtomicUsize>);

impl Attacker {
    /// Makes a call of a method, `package.Service/Method`. Returns the response if it succeeds.
    pub(super) async fn call<R: Message + Default>(
        &self,
        method: &str,
        request: impl Message,
    ) -> Option<R> {
        let head = grpc_head_of(method, Some(&self.tenant.key)).body(()).unwrap();
        let response = self.peer.call_grpc(head, grpc_frame(&request.encode_to_vec())).await?;
        self.calls.0[method].fetch_add(1, Ordering::Relaxed);
        Some(response)
    }
}

impl Default for Calls {
    fn default() -> Self {
        let methods = METHODS.iter().map(|(path, _)| path.trim_start_matches('/'));
        Self(methods.map(|method| (method, AtomicUsize::new(0))).collect())
    }
}

impl Calls {
    /// Returns whether each method was called so often.
    pub(super) fn all_were_made(&self, least: usize) -> bool {
        self.0.values().all(|count| count.load(Ordering::Relaxed) >= least)
    }

    /// Adds the counts to the figures. It is a defect of the attack if one of them is less than this.
    pub(super) fn require(&self, least: usize, figures: &mut Figures) {
        let counts: BTreeMap<_, _> =
            self.0.iter().map(|(method, count)| (*method, count.load(Ordering::Relaxed))).collect();
        for (method, count) in counts.iter().filter(|(_, count)| **count < least) {
            figures.defect(format!("the attack did too little: {count} {method}, not {least}"));
        }
        let (all, fewest) = (counts.values().sum::<usize>(), counts.values().min());
        figures.note(format!(
            "calls of {} methods: {all}, of each at least {}",
            counts.len(),
            fewest.copied().unwrap_or_default()
        ));
    }
}
