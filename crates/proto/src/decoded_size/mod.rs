//! How much memory a message takes once it is decoded, found out from its bytes before it is decoded.
//!
//! A repeated message that is empty has two bytes on the wire, and dozens once decoded: 2 MiB of them
//! would become 50 MiB. So the items of all lists of a message are counted first, and refused if they
//! are more than any valid message has.

mod layout;
mod measure;
mod reader;

pub use layout::RequestLayout;
pub use measure::TooManyItems;
