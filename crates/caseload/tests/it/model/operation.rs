//! The operations of a sequence, and the requests that they become.

use proptest::{collection::vec, option, prelude::*, sample::select};

/// An operation, which names tasks by how long ago they were created, since their ids are not known
/// before the sequence runs.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) caller: usize,
    pub(super) is_over_rest: bool,
    pub(super) action: Action,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    Create { case: usize, is_batch: bool, tasks: Vec<NewTask>, key: Option<u8>, is_trial: bool },
    Get { task: usize },
    BatchGet { tasks: Vec<usize> },
    List { case: Option<usize>, completed: Option<bool>, email: Option<&'static str>, page: u32 },
    Update { is_batch: bool, changes: Vec<Change>, is_trial: bool },
    Delete { is_batch: bool, tasks: Vec<usize>, tag: Tag },
    Record { key: u8 },
}

/// A task to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewTask {
    pub(super) description: &'static str,
    pub(super) emails: Vec<&'static str>,
}

/// A change to a task, which an operation names by its age, and a request by its id.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) task: usize,
    pub(super) fields: Fields,
    pub(super) tag: Tag,
}

/// What a change sets.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub(super) description: Option<&'static str>,
    pub(super) completed: Option<bool>,
    pub(super) emails: Option<Vec<&'static str>>,
}

/// The state that a task must be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Any,
    /// The one that it is in.
    Current,
    /// One that it was never in.
    Other,
}

/// One of several changes of a request.
#[derive(Clone, Debug)]
pub(super) struct Update {
    pub(super) id: i64,
    pub(super) fields: Fields,
    pub(super) tag: Tag,
    /// The tag as it is sent.
    pub(super) etag: String,
}

/// A request, whose tasks have ids.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Create { case: i64, is_batch: bool, tasks: Vec<NewTask>, key: Option<String>, is_trial: bool },
    Get { case: i64, id: i64 },
    BatchGet { case: i64, ids: Vec<i64> },
    List { case: Option<i64>, completed: Option<bool>, email: Option<&'static str>, page: u32 },
    Update { case: i64, is_batch: bool, updates: Vec<Update>, is_trial: bool },
    Delete { case: i64, is_batch: bool, ids: Vec<i64>, tag: Tag, etag: String },
    Record { key: String },
}

/// How many tasks a page of a list has.
pub(super) const PER_PAGE: u32 = 3;

/// Returns a strategy for operations.
pub(super) fn operations() -> impl Strategy<Value = Operation> {
    // Most calls are those of the one who may do everything.
    let caller = select(vec![0, 0, 0, 0, 0, 1, 2, 2]);
    (caller, any::<bool>(), action()).prop_map(|(caller, is_over_rest, action)| Operation {
        caller,
        // BatchGetTasks has no route.
        is_over_rest: is_over_rest && !matches!(action, Action::BatchGet { .. }),
        action,
    })
}

fn action() -> impl Strategy<Value = Action> {
    let age = || 0..8_usize;
    let key = || 0..4_u8;
    let new =
        (description(), emails()).prop_map(|(description, emails)| NewTask { description, emails });
    let case = || select(vec![0, 0, 0, 1, 2]);
    let one_or_several = |is_batch: bool, len: usize| if is_batch { len } else { 1 };
    let is_trial = || prop::bool::weighted(0.15);
    let create = (case(), any::<bool>(), vec(new, 1..4), option::weighted(0.4, key()), is_trial())
        .prop_map(move |(case, is_batch, mut tasks, key, is_trial)| {
            tasks.truncate(one_or_several(is_batch, tasks.len()));
            Action::Create { case, is_batch, tasks, key, is_trial }
        });
    let fields = (option::of(description()), option::of(any::<bool>()), option::of(emails()))
        .prop_map(|(description, completed, emails)| Fields { description, completed, emails });
    let tag = || select(vec![Tag::Any, Tag::Any, Tag::Current, Tag::Other]);
    let change =
        (age(), fields, tag()).prop_map(|(task, fields, tag)| Change { task, fields, tag });
    let update = (any::<bool>(), vec(change, 1..4), is_trial()).prop_map(
        move |(is_batch, mut changes, is_trial)| {
            changes.truncate(one_or_several(is_batch, changes.len()));
            Action::Update { is_batch, changes, is_trial }
        },
    );
    let delete = (prop::bool::weighted(0.3), vec(age(), 1..3), tag()).prop_map(
        move |(is_batch, mut tasks, tag)| {
            tasks.truncate(one_or_several(is_batch, tasks.len()));
            // A batch has no tags.
            let tag = if is_batch { Tag::Any } else { tag };
            Action::Delete { is_batch, tasks, tag }
        },
    );
    let list =
        (option::weighted(0.7, case()), option::of(any::<bool>()), option::of(email()), 1..4_u32)
            .prop_map(|(case, completed, email, page)| {
                // Of all cases, only the tasks of a user are listed.
                let email =
                    if case.is_none() { email.or(Some("user1@example.com")) } else { email };
                Action::List { case, completed, email, page }
            });
    prop_oneof![
        6 => create,
        2 => age().prop_map(|task| Action::Get { task }),
        2 => vec(age(), 1..4).prop_map(|tasks| Action::BatchGet { tasks }),
        3 => list,
        5 => update,
        2 => delete,
        1 => key().prop_map(|key| Action::Record { key }),
    ]
}

fn description() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "b", " b ", "caf\u{e9} \u{1f680}", "", "a\0b"])
}

/// An email of a user, in some spelling; of nobody; or none at all.
fn email() -> impl Strategy<Value = &'static str> {
    select(vec![
        "user1@example.com",
        "user2@example.com",
        "USER2@Example.com",
        "user3@example.com",
        "nobody@example.com",
        "not an email",
    ])
}

fn emails() -> impl Strategy<Value = Vec<&'static str>> {
    let known = select(vec!["user1@example.com", "User2@example.com", "user3@example.com"]);
    prop_oneof![5 => vec(known, 0..4), 1 => vec(email(), 0..4)]
}

impl Request {
    /// Returns the tasks that a request to change or delete names.
    pub(super) fn changed_ids(&self) -> Vec<i64> {
        match self {
            Self::Update { updates, .. } => updates.iter().map(|update| update.id).collect(),
            Self::Delete { ids, .. } => ids.clone(),
            _ => Vec::new(),
        }
    }

    /// Writes the tags that are sent.
    pub(super) fn with_etags(mut self, current: &[(i64, Option<String>)]) -> Self {
        let etag = |id: i64, tag: Tag| match tag {
            Tag::Any => String::new(),
            Tag::Other => r#""1""#.to_owned(),
            // A task that does not exist has none.
            Tag::Current => {
                let found = current.iter().find(|(other, _)| *other == id);
                found.and_then(|(_, etag)| etag.clone()).unwrap_or_else(|| r#""2""#.to_owned())
            }
        };
        match &mut self {
            Self::Update { updates, .. } => {
                updates.iter_mut().for_each(|update| update.etag = etag(update.id, update.tag));
            }
            Self::Delete { ids, tag, etag: sent, .. } => *sent = etag(ids[0], *tag),
            _ => {}
        }
        self
    }

    /// Whether the call only finds out what would be.
    pub(super) fn is_trial(&self) -> bool {
        matches!(self, Self::Create { is_trial: true, .. } | Self::Update { is_trial: true, .. })
    }

    /// Whether the caller needs the scope to write.
    pub(super) fn writes(&self) -> bool {
        !matches!(self, Self::Get { .. } | Self::BatchGet { .. } | Self::List { .. })
    }
}
