//! Problem documents (RFC 9457): how callers learn what went wrong.

mod codes;
mod document;
mod failure;
mod rejection;
mod render;

#[cfg(test)]
pub(crate) use document::Item;
pub(crate) use document::Problem;
pub(crate) use render::render;
