//! Results on standard output: tables for people, JSON for programs.

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use proto::tasks::v1::Task;
use serde::Serialize;

use super::{document, error::ClientError};
use crate::printable::printable;

/// The most characters of a description in a table of many tasks.
const BRIEF: usize = 120;

/// Writes results to standard output.
pub(crate) struct Output {
    json: bool,
    // Not locked: the process flushes it when it ends, whichever thread ends it.
    stdout: BufWriter<Stdout>,
    /// Whether the command goes on when nobody reads its output any more, because it changes things.
    goes_on: bool,
    is_closed: bool,
}

/// How tasks are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Whether each task names its case.
    pub(crate) with_case: bool,
    /// Whether a table has whole descriptions. JSON always has.
    pub(crate) whole: bool,
}

impl Output {
    /// Returns the output of this process, as JSON or as text.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, stdout: BufWriter::new(io::stdout()), goes_on: false, is_closed: false }
    }

    /// Whether results are written as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes tasks: a table with a head, or a line with an object for each.
    pub(crate) fn tasks(&mut self, tasks: Vec<Task>, layout: Layout) -> Result<(), ClientError> {
        if self.json {
            for task in tasks {
                self.object(&document::Task::new(task, layout.with_case))?;
            }
        } else if !tasks.is_empty() {
            let table = table(&tasks, layout);
            self.line(&table)?;
        }
        self.flush()
    }

    /// Writes an object on a line.
    pub(crate) fn object(&mut self, object: &impl Serialize) -> Result<(), ClientError> {
        let text = serde_json::to_string(object).map_err(io::Error::from)?;
        self.line(&text)
    }

    /// Writes a line of text.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), ClientError> {
        self.write(|stdout| writeln!(stdout, "{text}"))
    }

    /// Has everything written.
    pub(crate) fn flush(&mut self) -> Result<(), ClientError> {
        self.write(BufWriter::flush)
    }

    /// Has the command go on when nobody reads its output any more.
    pub(crate) fn go_on_unread(mut self) -> Self {
        self.goes_on = true;
        self
    }

    fn write(
        &mut self,
        write: impl FnOnce(&mut BufWriter<Stdout>) -> io::Result<()>,
    ) -> Result<(), ClientError> {
        if self.is_closed {
            return Ok(());
        }
        match write(&mut self.stdout).map_err(ClientError::from) {
            Err(ClientError::OutputClosed) if self.goes_on => {
                self.is_closed = true;
                Ok(())
            }
            written => written,
        }
    }
}

/// Returns a table of tasks. On a terminal, descriptions are wrapped at its width.
fn table(tasks: &[Task], layout: Layout) -> String {
    let case = |text: String| layout.with_case.then_some(text);
    let head = [Some("ID".to_owned()), case("CASE".to_owned())];
    let head = head.into_iter().flatten();
    let rest = ["DONE", "UPDATED_AT", "ASSIGNEES", "DESCRIPTION"];
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head.chain(rest.map(str::to_owned)));
    for task in tasks {
        let emails: Vec<String> =
            task.assignees.iter().map(|assignee| printable(&assignee.email)).collect();
        let row = [
            Some(task.id.to_string()),
            case(task.case_id.to_string()),
            Some(if task.completed { "yes" } else { "no" }.to_owned()),
            Some(task.updated_at.map_or_else(|| "-".to_owned(), document::time)),
            Some(if emails.is_empty() { "-".to_owned() } else { emails.join(",") }),
            Some(description(&task.description, layout.whole)),
        ];
        table.add_row(row.into_iter().flatten());
    }
    let last = table.column_count().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last { 0 } else { 2 }));
        if index != last {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    match terminal_width() {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    table.trim_fmt()
}

fn description(text: &str, whole: bool) -> String {
    let text = printable(text);
    match text.char_indices().nth(BRIEF) {
        Some((end, _)) if !whole => format!("{}…", &text[..end]),
        _ => text,
    }
}

/// Returns the width of the terminal that standard output is, if it is one.
fn terminal_width() -> Option<u16> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(size.ws_col).filter(|width| *width > 0)
}

#[cfg(test)]
mod tests {
    use proto::{Timestamp, tasks::v1::Assignee};

    use super::*;

    fn task(description: &str) -> Task {
        Task {
            id: 7,
            description: description.to_owned(),
            completed: true,
            assignees: vec![
                Assignee { email: "ann@example.com".to_owned(), ..Assignee::default() },
                Assignee { email: "bob@example.com".to_owned(), ..Assignee::default() },
            ],
            updated_at: Some(Timestamp { seconds: 1_711_381_239, nanos: 999_999_999 }),
            case_id: 3,
            ..Task::default()
        }
    }

    #[test]
    fn a_table_has_a_row_for_each_task() {
        let layout = Layout { with_case: true, whole: true };
        let other = Task { id: 12_345, case_id: 3, ..Task::default() };
        assert_eq!(
            table(&[task("Call the customer"), other], layout),
            "\
ID     CASE  DONE  UPDATED_AT            ASSIGNEES                        DESCRIPTION
7      3     yes   2024-03-25T15:40:39Z  ann@example.com,bob@example.com  Call the customer
12345  3     no    -                     -"
        );
    }

    #[test]
    fn a_description_stays_on_its_row_and_acts_on_no_terminal() {
        let brief = Layout { with_case: false, whole: false };
        let text = table(&[task("red \u{1b}[31m\nalert")], brief);
        assert_eq!(text.lines().count(), 2, "{text:?}");
        assert!(text.ends_with("red \u{fffd}[31m alert"), "{text:?}");

        let long = "é".repeat(BRIEF + 1);
        assert!(table(&[task(&long)], brief).ends_with("é…"));
        assert!(table(&[task(&long)], Layout { whole: true, ..brief }).ends_with("éé"));
    }
}
