//! The statement that creates batches: its text and parameters ([`query`], [`batch`]), and its results
//! ([`results`]).

mod batch;
mod query;
mod results;
mod text;

pub(super) use batch::look_up_type;
pub(super) use query::Statement;
pub(super) use results::{Verdict, mismatch};
