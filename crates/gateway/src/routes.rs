//! All routes, for the router and for the OpenAPI document.

use std::sync::LazyLock;

use crate::{
    cases,
    context::Context,
    openapi::{self, Route, SERVICE},
    options::Docs,
    probes,
    site::{self, Asset},
    tasks,
    upstream::{Client, Transport},
};

/// Returns the routes of all calls.
pub(crate) fn calls<T: Transport>() -> Vec<Route<Context<T>>> {
    tasks::routes().into_iter().chain(cases::routes()).collect()
}

/// Returns the routes that make no calls, need no key and are served under overload, too.
pub(crate) fn open<T: Transport>(docs: Docs) -> Vec<Route<Context<T>>> {
    let routes = site::routes(document, docs).into_iter().chain(probes::routes());
    routes.map(|route| route.tagged(SERVICE)).collect()
}

/// Returns the paths of all routes.
pub(crate) fn paths() -> &'static [String] {
    static PATHS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let mut paths: Vec<_> = all(None::<&Client>).into_iter().map(|route| route.path).collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    });
    &PATHS
}

/// Returns the OpenAPI document of all operations, which is made once.
pub(crate) fn document() -> &'static Asset {
    static DOCUMENT: LazyLock<Asset> = LazyLock::new(|| {
        // The routes over any transport are the same.
        Asset::json(openapi::document(all(None::<&Client>))).compressed()
    });
    &DOCUMENT
}

/// Returns the routes of calls that such a client makes, and all others.
fn all<T: Transport>(_: Option<&Client<T>>) -> Vec<Route<Context<T>>> {
    calls().into_iter().chain(open(Docs::On)).collect()
}
