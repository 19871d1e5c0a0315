//! Examples of problem documents.

use proto::wire::{FieldReason, Reason};

use super::{
    document::{Item, Place, Problem},
    meaning::{Explanation, Occurrence},
    rejection::violations,
    render::Document,
};

/// Returns an example of a document with this reason.
pub(crate) fn example(explanation: &Explanation, occurrence: &Occurrence) -> String {
    let is_of_part = Reason::parse(explanation.word).is_none();
    let item = Item {
        message: occurrence.when.to_owned(),
        details: explanation.word.to_owned(),
        place: if is_of_part { example_place(explanation.word) } else { Place::Whole {} },
    };
    let problem = if is_of_part {
        violations(vec![item])
    } else {
        let detail = item.message.clone();
        Problem::with_items(occurrence.code, explanation.word, detail, vec![item])
    };
    let document = Document::of(&problem, "0af7651916cd43dd8448eb211c80319c");
    // Texts and numbers can always be written.
    serde_json::to_string(&document).unwrap_or_default()
}

/// Returns a part of a request to which the reason may apply.
fn example_place(word: &str) -> Place {
    let is = |reasons: &[FieldReason]| reasons.iter().any(|reason| reason.as_str() == word);
    let pointer = |pointer: &str| Place::Pointer(pointer.to_owned());
    let parameter = |name: &str| Place::Parameter(name.to_owned());
    if is(&[FieldReason::UnknownParameter]) {
        parameter("sort")
    } else if is(&[FieldReason::DuplicateParameter, FieldReason::OutOfRange]) {
        parameter("page")
    } else if is(&[FieldReason::InvalidTime]) {
        parameter("updated_after")
    } else if is(&[FieldReason::InvalidCharacter]) {
        Place::Whole {}
    } else if is(&[FieldReason::UnknownValue]) {
        pointer("/priority")
    } else if is(&[FieldReason::TooMany]) {
        pointer("/tasks")
    } else if is(&[FieldReason::NotPositive, FieldReason::Duplicate]) {
        pointer("/tasks/1/id")
    } else if is(&[FieldReason::UnknownMember]) {
        pointer("/tasks/0/assignee_email")
    } else if is(&[
        FieldReason::InvalidEmail,
        FieldReason::UnknownUser,
        FieldReason::UserDeactivated,
    ]) {
        pointer("/tasks/2/assignee_emails/1")
    } else {
        pointer("/tasks/0/description")
    }
}
