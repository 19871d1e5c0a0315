//! Problem documents (RFC 9457): how callers learn what went wrong.

mod codes;
mod document;
mod example;
mod failure;
pub(crate) mod meaning;
mod rejection;
mod render;

#[cfg(test)]
pub(crate) use document::Item;
pub(crate) use document::Problem;
pub(crate) use example::example;
pub(crate) use failure::OF_CALLS;
pub(crate) use render::{Document, render};
