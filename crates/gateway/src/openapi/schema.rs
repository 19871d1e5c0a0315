//! The schemas of single values, with the limits that the code has.
//!
//! Each is a type, so that the types of the documented JSON can name it. What a schema of a request
//! says about the reasons for a rejection is in `x-reasons`.

use proto::wire::{FieldReason, limits};
use utoipa::{
    ToSchema,
    openapi::{
        extensions::{Extensions, ExtensionsBuilder},
        schema::{ArrayBuilder, KnownFormat, ObjectBuilder, Ref, SchemaFormat, Type},
    },
};

use crate::case_value;

/// The member of a schema that lists the reasons to reject a value.
pub(crate) const REASONS: &str = "x-reasons";

/// The email of a user whom `caseload dev` has.
const EXAMPLE_EMAIL: &str = "user1@example.com";

/// White space, as Unicode has it, in a class of characters.
const WHITE_SPACE: &str =
    r"\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";

/// White space and control characters, in a class of characters.
const BLANKS: &str = r"\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";

/// Defines types that stand for schemas.
macro_rules! values {
    ($($(#[$meta:meta])* $name:ident = $schema:expr;)*) => {$(
        $(#[$meta])*
        pub(crate) enum $name {}

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::RefOr::T($schema.into())
            }
        }

        impl utoipa::ToSchema for $name {}
    )*};
}
pub(crate) use values;

/// Defines types that stand for schemas of arrays.
macro_rules! lists {
    ($($(#[$meta:meta])* $name:ident = [$item:ty; $min:expr, $max:expr] $schema:expr;)*) => {$(
        $(#[$meta])*
        pub(crate) enum $name {}

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let list = $crate::openapi::schema::list::<$item>($min, $max);
                let finish: fn(
                    utoipa::openapi::schema::ArrayBuilder,
                ) -> utoipa::openapi::schema::ArrayBuilder = $schema;
                utoipa::openapi::RefOr::T(finish(list).into())
            }
        }

        impl utoipa::ToSchema for $name {
            fn schemas(
                schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>,
            ) {
                use utoipa::PartialSchema as _;
                schemas.push((<$item>::name().into_owned(), <$item>::schema()));
                <$item>::schemas(schemas);
            }
        }
    )*};
}
pub(crate) use lists;

values! {
    /// The id of a task or a case.
    Id = id();
    /// The id of a task in the body of a request.
    NamedTask = id().extensions(reasons(&[
        FieldReason::NotPositive,
        FieldReason::OutOfRange,
        FieldReason::Duplicate,
        FieldReason::TaskNotFound,
    ]));
    /// An id that is written as a text.
    IdText = text().pattern(Some("^[1-9][0-9]*$"));
    /// The id of a team in a request.
    NewTeam = integer(1)
        .maximum(Some(limits::TEAM_ID))
        .extensions(reasons(&[FieldReason::NotPositive, FieldReason::OutOfRange]));
    /// The id of a team.
    Team = integer(1).maximum(Some(limits::TEAM_ID));
    /// A time in a response.
    Time = formatted(KnownFormat::DateTime)
        .pattern(Some("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"));
    /// The URL of another page.
    Link = text().format(Some(SchemaFormat::Custom("uri-reference".to_owned())));
    /// A number of items, or of pages.
    Count = integer(0);
    /// The email of a user.
    Email = email();
    /// The email of a user in a request.
    NamedEmail = email().examples([EXAMPLE_EMAIL]).extensions(reasons(&[
        FieldReason::InvalidEmail,
        FieldReason::TooLong,
        FieldReason::UnknownUser,
        FieldReason::UserDeactivated,
    ]));
    /// The email of a user, of whom tasks are listed.
    EmailFilter = email().examples([EXAMPLE_EMAIL]).extensions(reasons(&[
        FieldReason::InvalidEmail,
        FieldReason::TooLong,
        FieldReason::UnknownUser,
    ]));
    /// The description of a task in a request.
    NewDescription = not_blank(limits::TASK_DESCRIPTION_CHARS);
    /// The name of a case in a request.
    NewCaseName = not_blank(limits::CASE_NAME_CHARS);
    /// The description of a case in a request.
    NewCaseDescription = text()
        .max_length(Some(limits::CASE_DESCRIPTION_CHARS))
        .pattern(Some(r"^[^\u0000]*$"))
        .extensions(reasons(&[FieldReason::TooLong, FieldReason::ContainsNul]));
    /// The entity tags of a task, one of which it must have.
    Precondition = text().examples(["*"]).extensions(reasons(&[FieldReason::EtagMismatch]));
    /// The priority of a case.
    Priority = one_of(case_value::priority_names())
        .extensions(reasons(&[FieldReason::UnknownValue]));
    /// The status of a case.
    CaseStatus = one_of(case_value::status_names())
        .extensions(reasons(&[FieldReason::UnknownValue]));
    /// The number of a page.
    PageNumber = integer(1)
        .format(None)
        .maximum(Some(i64::from(u32::MAX)))
        .default(Some(1.into()))
        .extensions(reasons(&[FieldReason::OutOfRange]));
    /// The most items of a page.
    PageSize = integer(1)
        .format(None)
        .maximum(Some(i64::from(limits::PAGE_ITEMS)))
        .default(Some(limits::DEFAULT_PAGE_ITEMS.into()))
        .extensions(reasons(&[FieldReason::OutOfRange]));
    /// The id of a team in the query string.
    TeamFilter = integer(1)
        .maximum(Some(limits::TEAM_ID))
        .extensions(reasons(&[FieldReason::OutOfRange]));
    /// `true` or `false` in the query string.
    Flag = ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .extensions(reasons(&[FieldReason::WrongType]));
    /// A time in the query string.
    TimeFilter = formatted(KnownFormat::DateTime)
        .examples(["2024-03-25T15:40:39Z"])
        .extensions(reasons(&[FieldReason::InvalidTime]));
    /// An idempotency key.
    KeyText = visible_ascii(limits::IDEMPOTENCY_KEY_BYTES);
    /// An idempotency key in the path.
    KeyInPath = visible_ascii(limits::IDEMPOTENCY_KEY_BYTES)
        .extensions(reasons(&[FieldReason::InvalidCharacter, FieldReason::TooLong]));
    /// The id of a request.
    RequestId = visible_ascii(limits::REQUEST_ID_BYTES);
    /// Seconds, more than zero, with at most three decimals.
    Seconds = text().examples(["2.5"]).pattern(Some(
        r"^([1-9][0-9]{0,8}(\.[0-9]{1,3})?|0\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9]))$",
    ));
    /// The entity tags of a header, of which one must be the present one.
    EntityTags = text().examples(["*"]);
    /// A trace, and the part of it that the request is.
    Traceparent = text().examples(["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]);
    /// Any text.
    Text = text();
}

lists! {
    /// The emails of the assignees of a task in a request.
    AssigneeEmails = [NamedEmail; 0, Some(limits::ASSIGNEES)] |list| {
        list.extensions(reasons(&[FieldReason::TooMany]))
    };
}

/// Returns the schema of an array, of which a request that needs items has one at least.
pub(crate) fn list<T: ToSchema>(min: usize, max: Option<usize>) -> ArrayBuilder {
    let list = ArrayBuilder::new().items(Ref::from_schema_name(T::name())).max_items(max);
    if min > 0 { list.min_items(Some(min)) } else { list }
}

/// Returns the extension of a schema with the reasons to reject a value.
pub(crate) fn reasons(reasons: &[FieldReason]) -> Option<Extensions> {
    let words: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
    Some(ExtensionsBuilder::new().add(REASONS, words).build())
}

/// Returns the schema of one of a few words.
pub(crate) fn one_of(words: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    text().enum_values(Some(words))
}

/// Returns the schema of the status of a problem.
pub(crate) fn status() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(400)).maximum(Some(599))
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn formatted(format: KnownFormat) -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(format)))
}

fn integer(minimum: i64) -> ObjectBuilder {
    let format = Some(SchemaFormat::KnownFormat(KnownFormat::Int64));
    ObjectBuilder::new().schema_type(Type::Integer).format(format).minimum(Some(minimum))
}

/// Ids are numbers of JSON, which are exact up to this one.
fn id() -> ObjectBuilder {
    integer(1).maximum(Some(limits::EXACT_INTEGER))
}

fn visible_ascii(max: usize) -> ObjectBuilder {
    text().min_length(Some(1)).max_length(Some(max)).pattern(Some("^[!-~]+$"))
}

/// Something on each side of the last `@`, and neither white space nor control characters.
fn email() -> ObjectBuilder {
    let format = Some(SchemaFormat::Custom("idn-email".to_owned()));
    let pattern = format!("^[^{BLANKS}]+@[^{BLANKS}@]+$");
    let email = text().format(format).pattern(Some(pattern));
    email.min_length(Some(3)).max_length(Some(limits::EMAIL_BYTES))
}

/// A text that has more than white space, and no NUL.
fn not_blank(max: usize) -> ObjectBuilder {
    let pattern = format!(r"^[^\u0000]*[^\u0000{WHITE_SPACE}][^\u0000]*$");
    text().min_length(Some(1)).max_length(Some(max)).pattern(Some(pattern)).extensions(reasons(&[
        FieldReason::Required,
        FieldReason::TooLong,
        FieldReason::ContainsNul,
    ]))
}
