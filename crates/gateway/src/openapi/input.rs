//! What a handler takes from a request, as the OpenAPI document has it.
//!
//! Each extractor describes itself, so that the parameters, the headers and the body of an operation
//! are those that its handler takes.

use axum::extract::State;

use super::Draft;

/// A part of a request that a handler takes.
pub(crate) trait Input {
    /// Adds the part, and the reasons for which it is rejected.
    fn describe(draft: &mut Draft);
}

/// State is not of the request.
impl<S> Input for State<S> {
    fn describe(_: &mut Draft) {}
}

/// All that a handler takes: the arguments of a function, as [`axum::handler::Handler`] has them.
pub(crate) trait Inputs {
    /// Adds all parts.
    fn describe(draft: &mut Draft);
}

/// A handler without arguments.
impl Inputs for ((),) {
    fn describe(_: &mut Draft) {}
}

/// The first type only tells axum which trait the last argument has.
macro_rules! inputs {
    ($($input:ident)+) => {
        impl<M, $($input: Input),+> Inputs for (M, $($input,)+) {
            fn describe(draft: &mut Draft) {
                $($input::describe(draft);)+
            }
        }
    };
}

inputs!(A);
inputs!(A B);
inputs!(A B C);
inputs!(A B C D);
inputs!(A B C D E);
inputs!(A B C D E F);
inputs!(A B C D E F G);
