//! Measures messages.

use super::{
    layout::{FieldKind, FieldLayout, MessageLayout, RequestLayout},
    reader::{Reader, Value},
};
use crate::wire::limits::LIST_ITEMS;

/// The deepest nesting of messages, as prost limits it.
const MAX_DEPTH: usize = 100;

/// What an allocation takes besides its bytes.
const ALLOCATION_BYTES: usize = 32;

/// The items of a list are moved when it grows: it then has room for twice as many.
const GROWTH: usize = 2;

/// The lists of a message have more than [`LIST_ITEMS`] items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooManyItems {
    /// The path of the list in which the limit is passed: `tasks`, `tasks[3].assignee_emails`.
    pub path: String,
}

impl RequestLayout {
    /// Returns how many bytes a request takes at most once it is decoded. Bytes that can't be
    /// decoded are measured up to the place where the decoder stops.
    ///
    /// # Errors
    /// [`TooManyItems`], also where the message is malformed behind them.
    pub fn decoded_size(self, message: &[u8]) -> Result<usize, TooManyItems> {
        let mut measure = Measure { layout: self, items: 0, bytes: 0 };
        let message_layout = self.message(self.message);
        measure.bytes = message_layout.map_or(0, |layout| layout.bytes);
        measure.message(self.message, message, 0)?;
        Ok(measure.bytes)
    }

    fn message(self, index: usize) -> Option<&'static MessageLayout> {
        self.layouts.messages.get(index)
    }
}

/// What was found so far.
struct Measure {
    layout: RequestLayout,
    items: usize,
    bytes: usize,
}

impl Measure {
    fn message(&mut self, index: usize, bytes: &[u8], depth: usize) -> Result<(), TooManyItems> {
        let Some(layout) = self.layout.message(index).filter(|_| depth < MAX_DEPTH) else {
            return Ok(());
        };
        let mut reader = Reader::new(bytes);
        // How many items each list of this message has.
        let mut lengths = Lengths::default();
        while let Some((number, value)) = reader.next() {
            let Some(field) = layout.fields.iter().find(|field| field.number == number) else {
                continue;
            };
            let position = match field.is_list {
                true => Some(lengths.next(number)),
                false => None,
            };
            self.value(field, value, depth).map_err(|mut error| {
                let place = match position {
                    Some(index) if !error.path.is_empty() => format!("{}[{index}].", field.name),
                    None if !error.path.is_empty() => format!("{}.", field.name),
                    _ => field.name.clone(),
                };
                error.path.insert_str(0, &place);
                error
            })?;
        }
        Ok(())
    }

    /// Measures a field. The path of an error is that below the field.
    fn value(
        &mut self,
        field: &FieldLayout,
        value: Value<'_>,
        depth: usize,
    ) -> Result<(), TooManyItems> {
        match (field.kind, value) {
            (FieldKind::Message(inner), Value::Bytes(bytes)) => {
                let size = self.layout.message(inner).map_or(0, |layout| layout.bytes);
                if field.is_list {
                    self.items(1, size)?;
                } else {
                    // It may be on the heap.
                    self.bytes += size;
                }
                self.message(inner, bytes, depth + 1)
            }
            (FieldKind::Text, Value::Bytes(bytes)) => {
                if !bytes.is_empty() {
                    self.bytes += bytes.len() + ALLOCATION_BYTES;
                }
                if field.is_list { self.items(1, size_of::<String>()) } else { Ok(()) }
            }
            // Packed numbers, all in one field.
            (FieldKind::Varint, Value::Bytes(bytes)) => {
                self.items(bytes.iter().filter(|byte| **byte < 0x80).count(), size_of::<u64>())
            }
            (FieldKind::Fixed(size), Value::Bytes(bytes)) => self.items(bytes.len() / size, size),
            (FieldKind::Varint | FieldKind::Fixed(_), Value::Number) => {
                self.items(1, size_of::<u64>())
            }
            // The decoder stops here.
            (FieldKind::Message(_) | FieldKind::Text, Value::Number) => Ok(()),
        }
    }

    /// Counts items of a list.
    fn items(&mut self, count: usize, size: usize) -> Result<(), TooManyItems> {
        self.items += count;
        self.bytes += count * size * GROWTH;
        if self.items > LIST_ITEMS {
            return Err(TooManyItems { path: String::new() });
        }
        Ok(())
    }
}

/// The lengths of the lists of one message. Items of a list mostly follow each other, so that only
/// the last list is remembered: the index of an item is that within its run.
#[derive(Default)]
struct Lengths {
    number: u32,
    length: usize,
}

impl Lengths {
    /// Counts an item of the list with this number, and returns its index.
    fn next(&mut self, number: u32) -> usize {
        if self.number != number {
            *self = Self { number, length: 0 };
        }
        self.length += 1;
        self.length - 1
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use crate::tasks::v1::{BatchCreateTasksRequest, NewTask};

    use super::*;

    fn measure(bytes: &[u8]) -> Result<usize, String> {
        let method = "/caseload.tasks.v1.TaskService/BatchCreateTasks";
        let layout = RequestLayout::of(method).unwrap();
        layout.decoded_size(bytes).map_err(|error| error.path)
    }

    /// Returns what a decoded request takes, its lists as long as they are in memory.
    fn size(request: &BatchCreateTasksRequest) -> usize {
        let tasks = request.tasks.iter().map(|task| {
            let emails = task.assignee_emails.iter().map(String::capacity).sum::<usize>();
            task.description.capacity()
                + emails
                + task.assignee_emails.capacity() * size_of::<String>()
        });
        size_of::<BatchCreateTasksRequest>()
            + request.request_id.capacity()
            + request.tasks.capacity() * size_of::<NewTask>()
            + tasks.sum::<usize>()
    }

    fn request(tasks: usize, emails: usize, text: usize) -> BatchCreateTasksRequest {
        let task = NewTask {
            description: "d".repeat(text),
            assignee_emails: vec!["e".repeat(text); emails],
        };
        BatchCreateTasksRequest {
            case_id: 1,
            tasks: vec![task; tasks],
            request_id: "r".repeat(text),
            validate_only: false,
        }
    }

    #[test]
    fn a_message_takes_no_more_than_measured_and_not_much_less() {
        for (tasks, emails, text) in [
            (0, 0, 0),
            (1, 0, 1),
            (1, 1, 20),
            (25, 50, 30),
            (25, 50, 0),
            (60, 0, 0),
            (25, 0, 40_000),
        ] {
            let bytes = request(tasks, emails, text).encode_to_vec();
            let decoded = BatchCreateTasksRequest::decode(bytes.as_slice()).unwrap();
            let (measured, actual) = (measure(&bytes).unwrap(), size(&decoded));
            assert!(measured >= actual, "{tasks} {emails} {text}: {measured} < {actual}");
            assert!(measured <= 5 * actual + 1000, "{tasks} {emails} {text}: {measured}, {actual}");
        }
    }

    #[test]
    fn a_message_with_too_many_items_is_refused_with_the_path_of_the_list() {
        let empty_tasks = |count| b"\x12\x00".repeat(count);
        assert!(measure(&empty_tasks(LIST_ITEMS)).is_ok());
        assert_eq!(measure(&empty_tasks(LIST_ITEMS + 1)), Err("tasks".to_owned()));
        // Also if the message is malformed behind them, and if a group precedes them.
        let malformed = [empty_tasks(LIST_ITEMS + 1), vec![0xff]].concat();
        assert_eq!(measure(&malformed), Err("tasks".to_owned()));
        let grouped = [vec![0x7b, 0x7c], empty_tasks(LIST_ITEMS + 1)].concat();
        assert_eq!(measure(&grouped), Err("tasks".to_owned()));

        assert!(measure(&request(100, 99, 0).encode_to_vec()).is_ok());
        let path = "tasks[98].assignee_emails".to_owned();
        assert_eq!(measure(&request(100, 101, 0).encode_to_vec()), Err(path));
    }

    #[test]
    fn any_bytes_are_measured_up_to_where_they_stop_being_a_message() {
        for bytes in [&b"\x12\x7f"[..], b"\x10\x01", b"\x12\x02\x0a\x05", b"\xff\xff", b""] {
            assert!(measure(bytes).is_ok(), "{bytes:?}");
        }
    }
}
