//! The operations of a sequence, valid and invalid.

use std::fmt::Debug;

use proptest::{collection::vec, option, prelude::*, sample::select, strategy::Union};
use proto::wire::limits;

/// A call, and who makes it about which case. Cases and tasks are named by how long ago they were
/// created, since their ids are not known before the sequence runs, and differ between the tenants.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// Whether the caller may only read.
    pub(super) is_reader: bool,
    /// The case of calls about one. Those about tasks mostly name the case of the first task instead.
    pub(super) case: Name,
    pub(super) is_in_case_of_task: bool,
    /// Whether REST writes absent members as `null`.
    pub(super) writes_null: bool,
    pub(super) call: Call,
}

/// What a request names a case or a task by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name {
    /// One that the tenant has created, by how many it has created since. It may be deleted.
    Ours(usize),
    /// One that the other tenant has created last.
    Theirs,
    /// One that there never was.
    Never,
    Zero,
    Negative,
}

#[derive(Clone, Debug)]
pub(super) enum Call {
    CreateCase {
        fields: CaseFields,
        tasks: Vec<NewTask>,
        key: Option<String>,
        is_trial: bool,
    },
    GetCase,
    ListCases {
        filter: CaseFilter,
        page: Page,
    },
    UpdateCase {
        fields: CaseFields,
        tag: Tag,
        is_trial: bool,
    },
    DeleteCase {
        tag: Tag,
    },
    CreateTask {
        task: NewTask,
        key: Option<String>,
        is_trial: bool,
    },
    CreateTasks {
        tasks: Vec<NewTask>,
        key: Option<String>,
        is_trial: bool,
    },
    GetTask {
        task: Name,
    },
    /// Lists the tasks of the case, or those of a user.
    ListTasks {
        is_of_case: bool,
        filter: TaskFilter,
        page: Page,
    },
    ListEvents {
        task: Name,
        page: Page,
    },
    UpdateTask {
        change: TaskChange,
        is_trial: bool,
    },
    UpdateTasks {
        changes: Vec<TaskChange>,
        is_trial: bool,
    },
    DeleteTask {
        task: Name,
        tag: Tag,
    },
    DeleteTasks {
        tasks: Vec<Name>,
    },
    GetRecord {
        key: String,
    },
}

/// What a request says of a case.
#[derive(Clone, Debug)]
pub(super) struct CaseFields {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) priority: Option<&'static str>,
    pub(super) status: Option<&'static str>,
    pub(super) team_id: Option<i64>,
}

/// Which cases are listed.
#[derive(Clone, Debug, Default)]
pub(super) struct CaseFilter {
    pub(super) priority: Option<&'static str>,
    pub(super) status: Option<&'static str>,
    pub(super) team_id: Option<i64>,
}

/// Which tasks are listed.
#[derive(Clone, Debug, Default)]
pub(super) struct TaskFilter {
    pub(super) completed: Option<bool>,
    pub(super) email: Option<String>,
    pub(super) updated_after: Option<&'static str>,
}

/// A page of a list, by its number from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    pub(super) number: u32,
    pub(super) size: u32,
}

/// A task to create.
#[derive(Clone, Debug)]
pub(super) struct NewTask {
    pub(super) description: Option<String>,
    pub(super) emails: Option<Vec<String>>,
}

/// A change to a task.
#[derive(Clone, Debug)]
pub(super) struct TaskChange {
    pub(super) task: Name,
    pub(super) description: Option<String>,
    pub(super) completed: Option<bool>,
    pub(super) emails: Option<Vec<String>>,
    pub(super) tag: Tag,
}

/// The states that a case or a task must be in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tag {
    /// No condition.
    None,
    /// `*`.
    Star,
    /// The one that it is in.
    Current,
    /// A list that has the one that it is in.
    OneOf,
    /// Ones that it was never in.
    Stale,
    /// A weak tag of the one that it is in.
    Weak,
    /// A text that is no tag.
    Text,
}

impl Page {
    pub(super) const fn skip(self) -> i64 {
        ((self.number - 1) * self.size) as i64
    }
}

impl Call {
    /// Returns the tasks that the call names, each with the states that it must be in.
    pub(super) fn tasks(&self) -> Vec<(Name, Tag)> {
        match self {
            Self::GetTask { task } | Self::ListEvents { task, .. } => vec![(*task, Tag::None)],
            Self::UpdateTask { change, .. } => vec![(change.task, change.tag)],
            Self::UpdateTasks { changes, .. } => {
                changes.iter().map(|change| (change.task, change.tag)).collect()
            }
            Self::DeleteTask { task, tag } => vec![(*task, *tag)],
            Self::DeleteTasks { tasks } => tasks.iter().map(|task| (*task, Tag::None)).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether the call changes nothing.
    pub(super) const fn is_read(&self) -> bool {
        matches!(
            self,
            Self::GetCase
                | Self::ListCases { .. }
                | Self::GetTask { .. }
                | Self::ListTasks { .. }
                | Self::ListEvents { .. }
                | Self::GetRecord { .. }
        )
    }
}

/// Returns a strategy for operations.
pub(super) fn operations() -> impl Strategy<Value = Operation> {
    let is_reader = prop::bool::weighted(0.05);
    let in_case_of_task = prop::bool::weighted(0.9);
    (is_reader, name(), in_case_of_task, any::<bool>(), call()).prop_map(
        |(is_reader, case, is_in_case_of_task, writes_null, call)| Operation {
            is_reader,
            case,
            is_in_case_of_task,
            writes_null,
            call,
        },
    )
}

fn call() -> impl Strategy<Value = Call> {
    let create_case =
        (case_fields(), prop_oneof![Just(vec![]), new_tasks()], key(), trial()).prop_map(
            |(fields, tasks, key, is_trial)| Call::CreateCase { fields, tasks, key, is_trial },
        );
    let list_cases = (option::of(priority()), option::of(status()), option::of(team_id()), page());
    let list_cases = list_cases.prop_map(|(priority, status, team_id, page)| Call::ListCases {
        filter: CaseFilter { priority, status, team_id },
        page,
    });
    let update_case = (case_fields(), tag(), trial())
        .prop_map(|(fields, tag, is_trial)| Call::UpdateCase { fields, tag, is_trial });
    let create_task = (new_task(), key(), trial())
        .prop_map(|(task, key, is_trial)| Call::CreateTask { task, key, is_trial });
    let create_tasks = (new_tasks(), key(), trial())
        .prop_map(|(tasks, key, is_trial)| Call::CreateTasks { tasks, key, is_trial });
    let updated_after = option::of(select(vec![
        "2001-02-03T04:05:06Z",
        "2999-12-31T23:59:59.999999Z",
        "2020-02-29T23:59:59.5+05:30",
    ]));
    let filter = (option::of(any::<bool>()), option::of(email()), updated_after).prop_map(
        |(completed, email, updated_after)| TaskFilter { completed, email, updated_after },
    );
    let list_tasks = (prop::bool::weighted(0.7), filter, page())
        .prop_map(|(is_of_case, filter, page)| Call::ListTasks { is_of_case, filter, page });
    let update_tasks = (of_batch(task_change()), trial())
        .prop_map(|(changes, is_trial)| Call::UpdateTasks { changes, is_trial });
    prop_oneof![
        4 => create_case,
        1 => Just(Call::GetCase),
        2 => list_cases,
        4 => update_case,
        1 => tag().prop_map(|tag| Call::DeleteCase { tag }),
        4 => create_task,
        6 => create_tasks,
        1 => name().prop_map(|task| Call::GetTask { task }),
        3 => list_tasks,
        1 => (name(), page()).prop_map(|(task, page)| Call::ListEvents { task, page }),
        5 => (task_change(), trial())
            .prop_map(|(change, is_trial)| Call::UpdateTask { change, is_trial }),
        5 => update_tasks,
        2 => (name(), tag()).prop_map(|(task, tag)| Call::DeleteTask { task, tag }),
        2 => of_batch(name()).prop_map(|tasks| Call::DeleteTasks { tasks }),
        1 => any_key().prop_map(|key| Call::GetRecord { key }),
    ]
}

fn name() -> BoxedStrategy<Name> {
    prop_oneof![
        60 => (0..4_usize).prop_map(Name::Ours),
        1 => Just(Name::Theirs),
        1 => Just(Name::Never),
        1 => Just(Name::Zero),
        1 => Just(Name::Negative),
    ]
    .boxed()
}

/// Returns a strategy for the items of a batch: few, none, or too many of the same.
fn of_batch<T: Clone + Debug + 'static>(item: BoxedStrategy<T>) -> impl Strategy<Value = Vec<T>> {
    let too_many = item.clone().prop_map(|item| vec![item; limits::BATCH_TASKS + 1]);
    prop_oneof![30 => vec(item, 1..4), 1 => Just(vec![]), 1 => too_many]
}

fn new_tasks() -> impl Strategy<Value = Vec<NewTask>> {
    of_batch(new_task().boxed())
}

fn new_task() -> impl Strategy<Value = NewTask> {
    let description = option::weighted(0.95, text(limits::TASK_DESCRIPTION_CHARS));
    (description, option::of(emails()))
        .prop_map(|(description, emails)| NewTask { description, emails })
}

fn task_change() -> BoxedStrategy<TaskChange> {
    let description = option::of(text(limits::TASK_DESCRIPTION_CHARS));
    (name(), description, option::of(any::<bool>()), option::of(emails()), tag())
        .prop_map(|(task, description, completed, emails, tag)| TaskChange {
            task,
            description,
            completed,
            emails,
            tag,
        })
        .boxed()
}

fn case_fields() -> impl Strategy<Value = CaseFields> {
    let name = option::weighted(0.9, text(limits::CASE_NAME_CHARS));
    let description = option::of(text(limits::CASE_DESCRIPTION_CHARS));
    let team_id = option::of(team_id());
    (name, description, option::of(priority()), option::of(status()), team_id).prop_map(
        |(name, description, priority, status, team_id)| CaseFields {
            name,
            description,
            priority,
            status,
            team_id,
        },
    )
}

/// Mostly a short text; or any characters, white space only, or one as long as allowed or longer.
fn text(max: usize) -> BoxedStrategy<String> {
    let any = vec(any::<char>(), 0..6).prop_map(String::from_iter);
    let len = select(vec![max, max + 1]);
    prop_oneof![
        40 => select(vec!["a", "b", " b ", "caf\u{e9} \u{1f680}"]).prop_map(str::to_owned),
        4 => any,
        1 => select(vec!["", "\t\u{3000}\n", "a\0"]).prop_map(str::to_owned),
        1 => len.prop_map(|len| "\u{e9}".repeat(len)),
    ]
    .boxed()
}

/// Mostly an email of a user, in some spelling.
fn email() -> impl Strategy<Value = String> {
    let known = select(vec!["user1@example.com", "User2@Example.com", "user3@example.com"]);
    let others = select(vec!["nobody@example.com", "gone@example.com", "no email", "@"]);
    let too_long = Just(format!("{}@example.com", "e".repeat(limits::EMAIL_BYTES)));
    prop_oneof![
        80 => known.prop_map(str::to_owned),
        4 => others.prop_map(str::to_owned),
        1 => ".{1,3}@.{1,3}",
        1 => too_long,
    ]
}

fn emails() -> impl Strategy<Value = Vec<String>> {
    let too_many = email().prop_map(|email| vec![email; limits::ASSIGNEES + 1]);
    prop_oneof![40 => vec(email(), 0..4), 1 => too_many]
}

/// Mostly one that there is.
fn priority() -> impl Strategy<Value = &'static str> {
    let known = select(vec!["LOW", "MEDIUM", "HIGH", "CRITICAL"]);
    prop_oneof![20 => known, 1 => Just("URGENT")]
}

fn status() -> impl Strategy<Value = &'static str> {
    prop_oneof![20 => select(vec!["OPEN", "CLOSED"]), 1 => Just("open")]
}

fn team_id() -> impl Strategy<Value = i64> {
    let invalid = select(vec![limits::TEAM_ID + 1, 0, -1]);
    prop_oneof![20 => select(vec![1, 2, limits::TEAM_ID]), 1 => invalid]
}

fn page() -> impl Strategy<Value = Page> {
    (1..4_u32, select(vec![1, 2, 3, u32::from(limits::PAGE_ITEMS)]))
        .prop_map(|(number, size)| Page { number, size })
}

fn tag() -> impl Strategy<Value = Tag> {
    use Tag::{Current, None, OneOf, Stale, Star, Text, Weak};
    let unmet = select(vec![Stale, Weak, Text]);
    prop_oneof![20 => select(vec![None, None, Current, OneOf, Star]), 1 => unmet]
}

fn trial() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.15)
}

fn key() -> impl Strategy<Value = Option<String>> {
    option::weighted(0.4, any_key())
}

/// Mostly one of few.
fn any_key() -> Union<BoxedStrategy<String>> {
    let few = select(KEYS.to_vec()).prop_map(str::to_owned).boxed();
    let malformed = select(vec!["a b".to_owned(), "k".repeat(256)]).boxed();
    Union::new_weighted(vec![(20, few), (1, malformed)])
}

/// The idempotency keys that are used.
pub(super) const KEYS: [&str; 3] = ["key-0", "key/1", "\"key\"%2"];
