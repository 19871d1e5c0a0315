//! Lines that are tasks.

use proto::tasks::v1::NewTask;
use serde::Deserialize;

use super::{
    fields::Fields,
    kind::{Column, Kind, optional, required},
    ndjson::JsonLine,
};

/// Lines that are tasks to be created.
pub(super) struct NewTasks;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTaskObject {
    description: Option<String>,
    assignee_emails: Option<Vec<String>>,
}

impl Kind for NewTasks {
    type Item = NewTask;

    const COLUMNS: &'static [Column] = &[required("description"), optional("assignee_emails")];
    const BATCH: usize = 25;
    const LIST: &'static str = "tasks";

    fn read_fields(fields: &mut Fields) -> Result<NewTask, String> {
        let emails = fields.take("assignee_emails").unwrap_or_default();
        let separated = emails.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';'));
        let emails = separated.filter(|email| !email.is_empty()).map(str::to_owned);
        let description = fields.take("description").unwrap_or_default();
        Ok(NewTask { description, assignee_emails: emails.collect() })
    }

    fn read_json(line: &JsonLine) -> Result<NewTask, String> {
        let object: NewTaskObject = line.parse()?;
        Ok(NewTask {
            description: object.description.unwrap_or_default(),
            assignee_emails: object.assignee_emails.unwrap_or_default(),
        })
    }

    fn text<'a>(task: &'a NewTask, field: &str) -> Option<&'a str> {
        let index = field.strip_prefix("assignee_emails[")?.strip_suffix(']')?;
        task.assignee_emails.get(index.parse::<usize>().ok()?).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_in_a_field_are_separated_by_spaces_commas_or_semicolons() {
        for (text, emails) in [
            ("a@x", &["a@x"][..]),
            ("a@x b@x", &["a@x", "b@x"]),
            (" a@x, b@x;c@x\n;", &["a@x", "b@x", "c@x"]),
            ("", &[]),
            (" ; ", &[]),
        ] {
            let columns = ["description", "assignee_emails"];
            let mut fields = Fields::new(&columns, vec!["x".to_owned(), text.to_owned()]);
            let task = NewTasks::read_fields(&mut fields).unwrap();
            assert_eq!(
                (task.description.as_str(), task.assignee_emails.as_slice()),
                ("x", &emails.iter().map(|email| (*email).to_owned()).collect::<Vec<_>>()[..])
            );
        }
    }

    #[test]
    fn an_email_at_fault_is_found() {
        let task = NewTask {
            description: "x".to_owned(),
            assignee_emails: vec!["a@x".to_owned(), "b@x".to_owned()],
        };
        assert_eq!(NewTasks::text(&task, "assignee_emails[1]"), Some("b@x"));
        for field in ["assignee_emails[2]", "assignee_emails", "description", ""] {
            assert_eq!(NewTasks::text(&task, field), None);
        }
    }
}
