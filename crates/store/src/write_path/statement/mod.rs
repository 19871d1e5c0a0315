//! The statement that creates batches: its text and parameters ([`query`]), and its results
//! ([`results`]).

mod query;
mod results;
mod text;

pub(super) use query::Statement;
pub(super) use results::{Verdict, mismatch};
