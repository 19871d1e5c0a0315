//! The manifests of `deploy/kubernetes`, as they are rendered: they configure the programs as these take it, and
//! what they say about each other is true. `.ci/manifests` checks them against the schemas of their kinds.

mod agreement;
mod alerts;
mod confinement;
mod migration;
mod options;
mod placement;
mod rendered;
mod rendering;
