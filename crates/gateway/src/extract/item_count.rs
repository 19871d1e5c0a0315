//! Counts the items of the arrays of a body, before they are deserialized.
//!
//! An item may have two bytes in JSON, and takes dozens in memory. So a body with more items than any
//! valid one has is rejected before memory is taken for them.

use proto::wire::limits::LIST_ITEMS;

/// The deepest nesting that the parser reads.
const MAX_DEPTH: usize = 128;

/// The fewest bytes that an item takes: a digit and a comma.
const MIN_ITEM_BYTES: usize = 2;

/// Returns where the arrays of a body pass [`LIST_ITEMS`], as a list of steps from the outermost value
/// to the array; `None` if they don't. What is not JSON is left to the parser.
pub(super) fn excess(json: &[u8]) -> Option<Vec<Step<'_>>> {
    if json.len() < LIST_ITEMS * MIN_ITEM_BYTES {
        return None;
    }
    Count::default().run(json)
}

/// A step from a value to one inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// To the item of an array.
    Item(usize),
    /// To the member of an object with this name, as it is written.
    Member(&'a [u8]),
}

/// An array or an object that was begun.
#[derive(Debug)]
struct Open<'a> {
    /// The step to the item or the member that is being read.
    step: Step<'a>,
    /// Whether nothing was read of it yet.
    is_empty: bool,
    /// Whether the next text is the name of a member.
    awaits_name: bool,
}

#[derive(Default)]
struct Count<'a> {
    items: usize,
    open: Vec<Open<'a>>,
}

impl<'a> Count<'a> {
    fn run(mut self, json: &'a [u8]) -> Option<Vec<Step<'a>>> {
        let mut position = 0;
        while let Some(&byte) = json.get(position) {
            position += 1;
            if byte.is_ascii_whitespace() {
                continue;
            }
            if byte != b']' && byte != b'}' {
                self.count_first();
            }
            match byte {
                b'"' => {
                    let length = text_length(&json[position..])?;
                    self.read_text(&json[position..position + length]);
                    position += length + 1;
                }
                b'[' => self.begin(Step::Item(0)),
                b'{' => self.begin(Step::Member(b"")),
                b']' | b'}' => {
                    self.open.pop()?;
                }
                b',' => self.count_next(),
                _ => {}
            }
            if self.items > LIST_ITEMS {
                // The array itself is the last step.
                self.open.pop();
                return Some(self.open.iter().map(|open| open.step).collect());
            }
            if self.open.len() > MAX_DEPTH {
                return None;
            }
        }
        None
    }

    fn begin(&mut self, step: Step<'a>) {
        let awaits_name = matches!(step, Step::Member(_));
        self.open.push(Open { step, is_empty: true, awaits_name });
    }

    /// Counts the first item of an array that was begun, where there is one.
    fn count_first(&mut self) {
        if let Some(open) = self.open.last_mut().filter(|open| open.is_empty) {
            open.is_empty = false;
            self.items += usize::from(matches!(open.step, Step::Item(_)));
        }
    }

    fn count_next(&mut self) {
        match self.open.last_mut() {
            Some(Open { step: Step::Item(index), .. }) => {
                *index += 1;
                self.items += 1;
            }
            Some(open) => open.awaits_name = true,
            None => {}
        }
    }

    fn read_text(&mut self, text: &'a [u8]) {
        if let Some(open) = self.open.last_mut().filter(|open| open.awaits_name) {
            open.step = Step::Member(text);
            open.awaits_name = false;
        }
    }
}

/// Returns the length of a text up to its closing quotation mark, if it has one.
fn text_length(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    loop {
        let rest = bytes.get(length..)?;
        length += rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if bytes[length] == b'"' {
            return Some(length);
        }
        length += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(item: &str, count: usize) -> String {
        format!("[{}]", vec![item; count].join(","))
    }

    #[test]
    fn the_place_where_there_are_too_many_items_is_found() {
        let more = LIST_ITEMS + 1;
        let tasks = format!(r#"{{"a":"[,\",]","tasks": {}}}"#, list("{}", more));
        assert_eq!(excess(tasks.as_bytes()), Some(vec![Step::Member(b"tasks")]));
        let emails = format!(
            r#"{{"tasks":[{{"x":[1,2]}},{{"description":"]","assignee_emails":{}}}]}}"#,
            list(r#""""#, more)
        );
        let steps = vec![Step::Member(b"tasks"), Step::Item(1), Step::Member(b"assignee_emails")];
        assert_eq!(excess(emails.as_bytes()), Some(steps));
        assert_eq!(excess(list("1", more).as_bytes()), Some(vec![]));
        // In all arrays together.
        let nested = list(&list("12345", 98), 102);
        assert_eq!(excess(nested.as_bytes()), Some(vec![Step::Item(101)]));
    }

    #[test]
    fn as_many_items_as_allowed_and_other_commas_are_not_too_many() {
        for body in [
            list("{}", LIST_ITEMS),
            list("[]", LIST_ITEMS),
            list("[1, 2]", LIST_ITEMS / 3),
            list(r#""a,b,c,d,e\",f""#, LIST_ITEMS),
            format!("{{{}\"a\":1}}", r#""a":1,"#.repeat(3 * LIST_ITEMS)),
            "[".repeat(100 * LIST_ITEMS),
            ",".repeat(100 * LIST_ITEMS),
            "]".repeat(100 * LIST_ITEMS),
            "\\".repeat(100 * LIST_ITEMS),
        ] {
            assert_eq!(excess(body.as_bytes()), None, "{:.40}", body);
        }
    }
}
