//! The OpenAPI document, and the routes of which it is made.
//!
//! A call registers itself as a [`Route`], which is both: the router serves its handler, and the
//! document describes it. The path, the method and the comments are those of the attribute
//! `utoipa::path` on the handler. Parameters, headers, body and most reasons for a rejection are those
//! of the handler's arguments, each of which describes itself ([`Input`]). What all calls have in
//! common is added here.

mod document;
mod draft;
mod example;
mod header;
mod inline;
mod input;
mod problems;
mod route;
pub(crate) mod schema;
mod scope;
mod security;
#[cfg(test)]
mod tests;

pub(crate) use document::{CASES, INTRODUCTION, SERVICE, TASKS, document};
pub(crate) use draft::Draft;
pub(crate) use input::{Input, Inputs};
pub(crate) use route::Route;
pub(crate) use scope::Scope;
