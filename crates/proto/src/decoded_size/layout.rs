//! What the messages of the contract are made of, from its descriptors.

use std::{collections::HashMap, sync::LazyLock};

use prost::Message as _;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};

/// The size of a `String`, a `Vec` or a map.
const HANDLE_BYTES: usize = 48;

/// The size of any number, with a mark of its presence.
const NUMBER_BYTES: usize = 16;

/// The layout of the request of one method.
#[derive(Clone, Copy, Debug)]
pub struct RequestLayout {
    pub(super) layouts: &'static Layouts,
    pub(super) message: usize,
}

/// The layouts of all messages. They refer to each other by index: a message may contain itself.
#[derive(Debug, Default)]
pub(super) struct Layouts {
    pub(super) messages: Vec<MessageLayout>,
    /// The message that each method takes, by the path of its requests.
    requests: HashMap<String, usize>,
}

/// The layout of a message.
#[derive(Debug, Default)]
pub(super) struct MessageLayout {
    /// No less than the size of its type in Rust, without what its fields have on the heap.
    pub(super) bytes: usize,
    /// Its fields with more than a number, and its lists.
    pub(super) fields: Vec<FieldLayout>,
}

/// The layout of a field.
#[derive(Debug)]
pub(super) struct FieldLayout {
    pub(super) number: u32,
    pub(super) name: String,
    pub(super) is_list: bool,
    pub(super) kind: FieldKind,
}

/// What a field, or each item of a list, is.
#[derive(Clone, Copy, Debug)]
pub(super) enum FieldKind {
    /// A message, by its index.
    Message(usize),
    /// A text or bytes.
    Text,
    /// A number of variable length.
    Varint,
    /// A number of this many bytes.
    Fixed(usize),
}

impl RequestLayout {
    /// Returns the layout of the requests to a path; `None` for a method that is not in the
    /// contract.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        static LAYOUTS: LazyLock<Layouts> = LazyLock::new(Layouts::of_contract);
        let layouts = &*LAYOUTS;
        let message = *layouts.requests.get(path)?;
        Some(Self { layouts, message })
    }
}

impl Layouts {
    /// Reads the descriptors of the contract. They are part of the program, and a test reads them.
    fn of_contract() -> Self {
        FileDescriptorSet::decode(crate::DESCRIPTOR_SET)
            .map(|set| Self::new(&set))
            .unwrap_or_default()
    }

    pub(super) fn new(set: &FileDescriptorSet) -> Self {
        let mut messages = Vec::new();
        for file in &set.file {
            collect(&format!(".{}", file.package()), &file.message_type, &mut messages);
        }
        let indices: HashMap<&str, usize> =
            messages.iter().enumerate().map(|(index, (name, _))| (name.as_str(), index)).collect();
        let mut layouts = Self::default();
        for (_, message) in &messages {
            layouts.messages.push(MessageLayout {
                bytes: 0,
                fields: message
                    .field
                    .iter()
                    .filter_map(|field| to_layout(field, &indices))
                    .collect(),
            });
        }
        let sizes: Vec<usize> =
            messages.iter().map(|(_, message)| size(message, &messages, &indices, 0)).collect();
        for (layout, bytes) in layouts.messages.iter_mut().zip(sizes) {
            layout.bytes = bytes;
        }
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    if let Some(index) = indices.get(method.input_type()) {
                        layouts.requests.insert(path, *index);
                    }
                }
            }
        }
        layouts
    }
}

/// Lists messages with their full names, nested ones included.
fn collect<'a>(
    scope: &str,
    messages: &'a [DescriptorProto],
    all: &mut Vec<(String, &'a DescriptorProto)>,
) {
    for message in messages {
        let name = format!("{scope}.{}", message.name());
        collect(&name, &message.nested_type, all);
        all.push((name, message));
    }
}

fn to_layout(field: &FieldDescriptorProto, indices: &HashMap<&str, usize>) -> Option<FieldLayout> {
    let is_list = field.label() == Label::Repeated;
    let kind = match field.r#type() {
        Type::Message | Type::Group => FieldKind::Message(*indices.get(field.type_name())?),
        Type::String | Type::Bytes => FieldKind::Text,
        // A single number has no more than its place in the message.
        _ if !is_list => return None,
        Type::Double | Type::Fixed64 | Type::Sfixed64 => FieldKind::Fixed(8),
        Type::Float | Type::Fixed32 | Type::Sfixed32 => FieldKind::Fixed(4),
        _ => FieldKind::Varint,
    };
    let number = u32::try_from(field.number()).ok()?;
    Some(FieldLayout { number, name: field.name().to_owned(), is_list, kind })
}

/// Returns the size of a message. A message inside it is a part of it, unless it contains itself:
/// then it is on the heap.
fn size(
    message: &DescriptorProto,
    messages: &[(String, &DescriptorProto)],
    indices: &HashMap<&str, usize>,
    depth: usize,
) -> usize {
    const DEEPEST: usize = 8;
    let sizes = message.field.iter().map(|field| match field.r#type() {
        _ if field.label() == Label::Repeated => HANDLE_BYTES,
        Type::Message | Type::Group if depth < DEEPEST => {
            let inner = indices.get(field.type_name()).and_then(|index| messages.get(*index));
            NUMBER_BYTES + inner.map_or(0, |(_, inner)| size(inner, messages, indices, depth + 1))
        }
        Type::Message | Type::Group | Type::String | Type::Bytes => HANDLE_BYTES,
        _ => NUMBER_BYTES,
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use crate::{tasks::v1, wire::METHODS};

    use super::*;

    #[test]
    fn every_method_of_the_contract_has_a_layout_and_no_other() {
        for (path, _) in METHODS {
            assert!(RequestLayout::of(path).is_some(), "{path}");
        }
        assert!(RequestLayout::of("/grpc.health.v1.Health/Check").is_none());
    }

    #[test]
    fn a_layout_is_no_smaller_than_the_type() {
        let set = FileDescriptorSet::decode(crate::DESCRIPTOR_SET).unwrap();
        let mut names = Vec::new();
        for file in &set.file {
            collect(&format!(".{}", file.package()), &file.message_type, &mut names);
        }
        let layouts = Layouts::new(&set);
        let bytes = |name: &str| {
            let index = names.iter().position(|(full, _)| full.ends_with(name)).unwrap();
            layouts.messages[index].bytes
        };
        for (name, size) in [
            (".BatchCreateTasksRequest", size_of::<v1::BatchCreateTasksRequest>()),
            (".NewTask", size_of::<v1::NewTask>()),
            (".Task", size_of::<v1::Task>()),
            (".Assignee", size_of::<v1::Assignee>()),
        ] {
            assert!(bytes(name) >= size, "{name}: {} < {size}", bytes(name));
            assert!(bytes(name) <= 3 * size, "{name}: {} > 3 * {size}", bytes(name));
        }
    }
}
