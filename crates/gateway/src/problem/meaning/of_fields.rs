//! What each reason of a single part of a request means.

use proto::wire::{FieldReason, Reason};

use super::{
    of_reasons,
    text::{Meaning, both, over_grpc},
};

/// Returns what a reason means.
pub(super) const fn of(reason: FieldReason) -> Meaning {
    match reason {
        FieldReason::Required => both(
            "something that must be there is absent, `null` or empty; a text also if it has white space only",
            "Add it.",
        ),
        FieldReason::NotPositive => both(
            "an id is absent, or is not a positive number. Over gRPC also one of those that REST has in the \
             path",
            "Send the id that the service has given.",
        ),
        FieldReason::TooMany => both(
            "a list has more items than allowed. Only the items up to the limit were checked. Of a body whose \
             arrays have more than 10,000 items in all, nothing else is listed",
            "Divide the request into smaller ones.",
        ),
        FieldReason::TooLong => both("a text is longer than allowed", "Shorten it."),
        FieldReason::ContainsNul => both(
            "a text contains the character NUL, which can't be stored",
            "Remove the character.",
        ),
        FieldReason::InvalidEmail => both(
            "a text is not an email: it has nothing on one side of an `@`, or white space or control \
             characters",
            "Correct the email.",
        ),
        FieldReason::InvalidCharacter => both(
            "the idempotency key in the path is not of visible ASCII characters; over gRPC any `request_id`",
            "Send the key as it was sent with the request. In a path it is percent-encoded.",
        ),
        FieldReason::UnknownUser => both(
            "no user of the tenant has the email. All such emails are listed",
            "Correct the email, or have the user added.",
        ),
        FieldReason::UserDeactivated => both(
            "the user with the email was deactivated, so that no task is newly assigned to them. Listed with \
             `UNKNOWN_USER`, in the order of the request",
            "Assign another user, or have this one reactivated.",
        ),
        FieldReason::EmailTaken => over_grpc(
            "another user has the email that a user is fed with",
            "Change the email of the other user first.",
        ),
        FieldReason::Duplicate => both("a batch names the same thing twice", "Name each once."),
        // The same words, about one of several tasks.
        FieldReason::TaskNotFound => of_reasons::of(Reason::TaskNotFound),
        FieldReason::EtagMismatch => of_reasons::of(Reason::EtagMismatch),
        FieldReason::InvalidMask => over_grpc(
            "the field mask has another path than those that can be changed",
            "Name fields that can be changed, or `*`.",
        ),
        FieldReason::OutOfRange => both(
            "a number is not in its range: a query parameter, a `team_id`, or the id of a task in a body. \
             Over gRPC also a negative `page_size` or `skip`",
            "Send a number in the documented range.",
        ),
        FieldReason::UnknownValue => both(
            "a priority or a status of a case is none of those that there are, in a body or in the query \
             string",
            "Send one of the documented values, in upper case.",
        ),
        FieldReason::InvalidPageToken => over_grpc(
            "the page token is not one of this list",
            "Pass on a token as it is, with the same filters; or begin the list anew.",
        ),
        FieldReason::InvalidTime => both(
            "a query parameter is not a time as in RFC 3339, or not in the years 1 to 9999",
            "Send a time as `2024-03-25T15:40:39Z`. A `+` in it must be written as `%2B`.",
        ),
        FieldReason::UnknownParameter => both(
            "the call has no such query parameter. Of several, the first one is listed",
            "Remove the parameter, or correct its name.",
        ),
        FieldReason::DuplicateParameter => {
            both("a query parameter is given twice", "Give it once.")
        }
        FieldReason::UnknownMember => both(
            "the body has a member that is not documented. Only the first fault of this kind is listed",
            "Remove the member, or correct its name.",
        ),
        FieldReason::DuplicateMember => both(
            "the body has a member twice. Only the first fault of this kind is listed",
            "Send it once.",
        ),
        FieldReason::WrongType => both(
            "a member of the body is not of the documented type, of which only the first one is listed; or a \
             query parameter is neither `true` nor `false`",
            "Send the documented type. Numbers are not accepted as strings, nor strings as numbers.",
        ),
    }
}
