//! The table of reasons in docs/API.md agrees with the one in the code.
#![expect(clippy::unwrap_used, reason = "a test ends at the first failure")]

use std::collections::BTreeSet;

use caseload_proto::wire::{FieldReason, Reason};
use tonic::Code;

const API: &str = include_str!("../../../docs/API.md");

const FIELD_REASONS: [FieldReason; 21] = [
    FieldReason::Required,
    FieldReason::NotPositive,
    FieldReason::TooMany,
    FieldReason::TooLong,
    FieldReason::ContainsNul,
    FieldReason::InvalidEmail,
    FieldReason::InvalidCharacter,
    FieldReason::UnknownUser,
    FieldReason::UserDeactivated,
    FieldReason::EmailTaken,
    FieldReason::Duplicate,
    FieldReason::InvalidMask,
    FieldReason::OutOfRange,
    FieldReason::UnknownValue,
    FieldReason::InvalidPageToken,
    FieldReason::InvalidTime,
    FieldReason::UnknownParameter,
    FieldReason::DuplicateParameter,
    FieldReason::UnknownMember,
    FieldReason::DuplicateMember,
    FieldReason::WrongType,
];

/// Returns the HTTP status, the gRPC code and the reason of each entry of the table.
fn documented() -> BTreeSet<(u16, String, String)> {
    let mut rows = BTreeSet::new();
    let table = API.lines().skip_while(|line| !line.starts_with("| status | `code` | `details` |"));
    for line in table.skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, status, code, reasons, ..] = cells[..] else { continue };
        let status = status.split(' ').next().unwrap().parse().unwrap();
        for reason in reasons.split(", ") {
            let is_new = rows.insert((status, unquote(code), unquote(reason)));
            assert!(is_new, "{line}");
        }
    }
    rows
}

fn unquote(text: &str) -> String {
    text.strip_prefix('`').and_then(|text| text.strip_suffix('`')).unwrap().to_owned()
}

/// Writes a code as google.rpc.Code does: `InvalidArgument` is `INVALID_ARGUMENT`.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[test]
fn the_documented_reasons_are_those_of_the_code() {
    let reasons = Reason::ALL
        .map(|reason| (reason.http_status(), code_name(reason.code()), reason.as_str().to_owned()));
    let field_reasons = FIELD_REASONS
        .map(|reason| (400, code_name(Code::InvalidArgument), reason.as_str().to_owned()));
    assert_eq!(documented(), reasons.into_iter().chain(field_reasons).collect());
}
