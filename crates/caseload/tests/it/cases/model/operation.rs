//! The operations of a sequence.

use proptest::{collection::vec, option, prelude::*, sample::select};

/// An operation on a case, which it names by how long ago it was created, since its id is not known
/// before the sequence runs.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) is_over_rest: bool,
    pub(super) age: usize,
    pub(super) tag: Tag,
    pub(super) action: Action,
}

/// What is done.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Create {
        fields: Fields,
        tasks: Vec<NewTask>,
        key: Option<u8>,
        is_trial: bool,
    },
    Get,
    List {
        priority: Option<&'static str>,
        status: Option<&'static str>,
        page: u32,
    },
    Update {
        fields: Fields,
        is_trial: bool,
    },
    Delete,
    /// Creates a task in the case.
    AddTask(NewTask),
    /// Returns the record of an idempotency key.
    Record(u8),
}

/// What a request says of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) name: Option<&'static str>,
    pub(super) description: Option<&'static str>,
    pub(super) priority: Option<&'static str>,
    pub(super) status: Option<&'static str>,
    pub(super) team_id: Option<i64>,
}

/// A task to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewTask {
    pub(super) description: &'static str,
    pub(super) emails: Vec<&'static str>,
}

/// The state that the case must be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Any,
    /// The one that it is in.
    Current,
    /// One that it was never in.
    Other,
}

/// An operation, once it is known which case it is about.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) id: i64,
    pub(super) etag: String,
    pub(super) operation: Operation,
}

/// How many cases a page of a list has.
pub(super) const PER_PAGE: u32 = 2;

/// Returns a strategy for operations.
pub(super) fn operations() -> impl Strategy<Value = Operation> {
    let tag = select(vec![Tag::Any, Tag::Any, Tag::Current, Tag::Current, Tag::Other]);
    (any::<bool>(), 0..5_usize, tag, action())
        .prop_map(|(is_over_rest, age, tag, action)| Operation { is_over_rest, age, tag, action })
}

fn action() -> impl Strategy<Value = Action> {
    let trial = || prop_oneof![4 => Just(false), 1 => Just(true)];
    let key = || 0..3_u8;
    let create = (fields(), vec(task(), 0..3), option::of(key()), trial())
        .prop_map(|(fields, tasks, key, is_trial)| Action::Create { fields, tasks, key, is_trial });
    let list = (option::of(priority()), option::of(status()), 1..3_u32)
        .prop_map(|(priority, status, page)| Action::List { priority, status, page });
    prop_oneof![
        5 => create,
        2 => Just(Action::Get),
        2 => list,
        5 => (fields(), trial()).prop_map(|(fields, is_trial)| Action::Update { fields, is_trial }),
        2 => Just(Action::Delete),
        2 => task().prop_map(Action::AddTask),
        1 => key().prop_map(Action::Record),
    ]
}

fn fields() -> impl Strategy<Value = Fields> {
    let name = option::weighted(0.8, select(vec!["a", "b", " b ", "c", "", "a\0b"]));
    let description = option::of(select(vec!["", "d", " d ", "e\0"]));
    let team_id = option::of(select(vec![1, 2, 0, -1]));
    (name, description, option::of(priority()), option::of(status()), team_id).prop_map(
        |(name, description, priority, status, team_id)| Fields {
            name,
            description,
            priority,
            status,
            team_id,
        },
    )
}

/// Mostly one that there is.
fn priority() -> impl Strategy<Value = &'static str> {
    select(vec!["LOW", "MEDIUM", "HIGH", "CRITICAL", "LOW", "HIGH", "URGENT"])
}

fn status() -> impl Strategy<Value = &'static str> {
    select(vec!["OPEN", "CLOSED", "OPEN", "CLOSED", "open"])
}

fn task() -> impl Strategy<Value = NewTask> {
    let known = ["user1@example.com", "USER2@example.com", "user3@example.com"];
    let email = select([&known[..], &known, &["nobody@example.com"]].concat());
    let description = select(vec!["x", "y", " y ", "z", ""]);
    (description, vec(email, 0..3))
        .prop_map(|(description, emails)| NewTask { description, emails })
}
