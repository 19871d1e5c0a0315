//! Field violations in a status, as many as the caller takes.

use domain::{Reason, Violation, Violations};
use proto::wire;
use tonic_types::FieldViolation;

/// The part of a caller's limit that is kept free for everything but the violations: the other
/// headers, and the rest of the status. The longest request id and the rate limits take some 500
/// bytes of it.
const OTHER_BYTES: usize = 1536;

/// Returns the first violations, as many as fit into a status of `max_bytes`.
pub(super) fn first_that_fit(violations: &Violations, max_bytes: usize) -> Vec<FieldViolation> {
    // The details of a status travel in base64: four characters for three bytes.
    let mut left = max_bytes.saturating_sub(OTHER_BYTES) / 4 * 3;
    violations
        .as_slice()
        .iter()
        .map(to_field_violation)
        .take_while(|violation| {
            let size = encoded_len(violation);
            let fits = size <= left;
            left = left.saturating_sub(size);
            fits
        })
        .collect()
}

fn to_field_violation(violation: &Violation) -> FieldViolation {
    FieldViolation {
        field: violation.path.to_string(),
        description: violation.rule.description.to_owned(),
        reason: field_reason(violation.rule.reason).as_str().to_owned(),
        localized_message: None,
    }
}

/// Returns how many bytes a violation takes as a protobuf message inside another one.
fn encoded_len(violation: &FieldViolation) -> usize {
    let texts = [&violation.field, &violation.description, &violation.reason];
    length_delimited(texts.into_iter().map(|text| length_delimited(text.len())).sum())
}

/// A tag, a length (a varint: seven bits a byte), and that many bytes. All texts here are far
/// shorter than the 16,383 bytes that two bytes encode.
const fn length_delimited(len: usize) -> usize {
    let len_of_len = if len < 128 { 1 } else { 2 };
    1 + len_of_len + len
}

/// The reason on the wire for each reason of the domain.
const fn field_reason(reason: Reason) -> wire::FieldReason {
    match reason {
        Reason::Required => wire::FieldReason::Required,
        Reason::NotPositive => wire::FieldReason::NotPositive,
        Reason::TooMany => wire::FieldReason::TooMany,
        Reason::TooLong => wire::FieldReason::TooLong,
        Reason::ContainsNul => wire::FieldReason::ContainsNul,
        Reason::InvalidEmail => wire::FieldReason::InvalidEmail,
        Reason::InvalidCharacter => wire::FieldReason::InvalidCharacter,
        Reason::UnknownUser => wire::FieldReason::UnknownUser,
        Reason::UserDeactivated => wire::FieldReason::UserDeactivated,
        Reason::EmailTaken => wire::FieldReason::EmailTaken,
        Reason::Duplicate => wire::FieldReason::Duplicate,
        Reason::InvalidMask => wire::FieldReason::InvalidMask,
        Reason::TaskNotFound => wire::FieldReason::TaskNotFound,
        Reason::EtagMismatch => wire::FieldReason::EtagMismatch,
        Reason::OutOfRange => wire::FieldReason::OutOfRange,
        Reason::UnknownValue => wire::FieldReason::UnknownValue,
        Reason::InvalidPageToken => wire::FieldReason::InvalidPageToken,
        Reason::InvalidTime => wire::FieldReason::InvalidTime,
    }
}
