//! Where a body departs from the documented JSON.

use proto::wire::{FieldReason, limits::LIST_ITEMS};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use super::{
    body_id::BodyId,
    item_count::{self, Step},
    object::Object,
};

/// The most characters of a message or a pointer, either of which may quote the body.
const MAX_CHARS: usize = 200;

/// Why a body is not the documented JSON.
#[derive(Debug)]
pub(crate) enum JsonError {
    /// The body is not JSON. Has the parser's message.
    Syntax(String),
    /// The body is JSON of another shape.
    Shape(ShapeError),
}

/// The first member of a body that departs from the documented shape.
#[derive(Debug)]
pub(crate) struct ShapeError {
    pub(crate) reason: FieldReason,
    /// A sentence for people. It quotes names of members, but never a value, which may be private.
    pub(crate) message: String,
    /// Where in the body it is, as a JSON pointer (RFC 6901).
    pub(crate) pointer: String,
}

impl JsonError {
    /// Checks that the arrays of a body have no more items than allowed, before they are
    /// deserialized.
    ///
    /// # Errors
    /// Where they pass the limit.
    pub(crate) fn check_items(bytes: &[u8]) -> Result<(), Self> {
        let Some(steps) = item_count::excess(bytes) else { return Ok(()) };
        let mut pointer = String::new();
        for step in steps {
            match step {
                Step::Item(index) => push(&mut pointer, &index.to_string()),
                Step::Member(name) => push(&mut pointer, &String::from_utf8_lossy(name)),
            }
        }
        let message = format!("the arrays have more than {LIST_ITEMS} items in all");
        let reason = FieldReason::TooMany;
        Err(Self::Shape(ShapeError { reason, message, pointer: shorten(&pointer) }))
    }

    /// Finds out where a body that failed to deserialize departs from the documented JSON. Reads
    /// the body a second time: tracking the path costs time that a valid body is spared.
    pub(crate) fn locate<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> Self {
        let syntax = || Self::Syntax(shorten(&error.to_string()));
        if error.classify() != Category::Data {
            return syntax();
        }
        let mut json = serde_json::Deserializer::from_slice(bytes);
        match serde_path_to_error::deserialize::<_, Object<T>>(&mut json) {
            Err(error) => {
                Self::Shape(ShapeError::new(&error.inner().to_string(), pointer(error.path())))
            }
            // Unreachable: the first reading failed.
            Ok(_) => syntax(),
        }
    }
}

impl ShapeError {
    fn new(message: &str, mut pointer: String) -> Self {
        let reason = if message.starts_with("unknown field") {
            FieldReason::UnknownMember
        } else if message.starts_with("duplicate field") {
            // The path ends at the object: serde finds the duplicate before it enters it.
            push(&mut pointer, message.split('`').nth(1).unwrap_or_default());
            FieldReason::DuplicateMember
        } else if message.starts_with(BodyId::TOO_LARGE) {
            FieldReason::OutOfRange
        } else {
            FieldReason::WrongType
        };
        Self { reason, message: shorten(&wording(message)), pointer: shorten(&pointer) }
    }
}

/// Returns serde's message in the words of JSON, without the value that it quotes.
fn wording(message: &str) -> String {
    match message.strip_prefix("invalid ").and_then(|rest| rest.rsplit_once("expected ")) {
        Some((_, expected)) => format!("expected {}", expected.replace("a sequence", "an array")),
        None => message.replacen(" field ", " member ", 1),
    }
}

fn shorten(message: &str) -> String {
    match message.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => push(&mut pointer, &index.to_string()),
            Segment::Map { key } | Segment::Enum { variant: key } => push(&mut pointer, key),
            Segment::Unknown => {}
        }
    }
    pointer
}

/// Appends a step, escaped (RFC 6901, 3).
fn push(pointer: &mut String, step: &str) {
    pointer.push('/');
    pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
}
