//! The operations of a sequence.

use proptest::{collection::vec, option, prelude::*, sample::select};

/// An operation, which names users, cases and tasks by how long ago they were created, since their ids
/// are not known before the sequence runs.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) caller: usize,
    pub(super) is_over_rest: bool,
    pub(super) whose: Whose,
    pub(super) user: usize,
    pub(super) case: usize,
    pub(super) task: usize,
    pub(super) action: Action,
}

/// Among whose users, cases and tasks an operation chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those that the caller's tenant has now.
    Ours,
    /// All that were ever created.
    Anybodys,
}

/// What is done: first the calls of the directory, which are for gRPC only.
#[derive(Clone, Debug)]
pub(super) enum Action {
    UpsertUsers {
        users: Vec<UserEntry>,
        is_trial: bool,
    },
    GetUser(UserName),
    /// Reads the whole list, page by page.
    ListUsers {
        active: Option<bool>,
        email: Option<&'static str>,
    },
    Deactivate(UserName),
    Reactivate(UserName),
    Erase(UserName),
    UpsertCases {
        cases: Vec<CaseEntry>,
        is_trial: bool,
    },
    FindCase(CaseName),
    /// Reads the whole list, page by page.
    ListCases {
        status: Option<&'static str>,
    },
    CloseCase(CaseName),
    CreateCase {
        name: &'static str,
        tasks: Vec<NewTask>,
    },
    GetCase,
    /// Reads the whole list of cases that is not of the directory, page by page.
    ListAllCases {
        status: Option<&'static str>,
    },
    UpdateCase {
        name: Option<&'static str>,
        status: Option<&'static str>,
    },
    DeleteCase,
    CreateTasks {
        tasks: Vec<NewTask>,
        key: Option<u8>,
    },
    /// Makes the request again that has used this key, if one has.
    Repeat(u8),
    /// Returns what the request with this key has created.
    GetRecord(u8),
    GetTask,
    /// Assigns a task to these users instead of those to whom it is.
    Assign(Vec<Email>),
    /// Lists the tasks of a user.
    ListTasks(Email),
}

/// A user to be fed.
#[derive(Clone, Debug)]
pub(super) struct UserEntry {
    pub(super) external_id: &'static str,
    pub(super) email: &'static str,
    pub(super) first_name: Option<&'static str>,
    pub(super) last_name: Option<&'static str>,
}

/// A case to be fed.
#[derive(Clone, Debug)]
pub(super) struct CaseEntry {
    pub(super) external_id: &'static str,
    pub(super) name: &'static str,
    pub(super) description: Option<&'static str>,
    pub(super) priority: Option<&'static str>,
    pub(super) status: Option<&'static str>,
    pub(super) team_id: Option<i64>,
}

/// What names a user.
#[derive(Clone, Copy, Debug)]
pub(super) enum UserName {
    Id,
    Email(Email),
    ExternalId(&'static str),
}

/// What names a case.
#[derive(Clone, Copy, Debug)]
pub(super) enum CaseName {
    Id,
    ExternalId(&'static str),
}

/// An email.
#[derive(Clone, Copy, Debug)]
pub(super) enum Email {
    Of(&'static str),
    /// The one that the user whom the operation is about has once they are erased.
    Placeholder,
}

/// A task to create.
#[derive(Clone, Debug)]
pub(super) struct NewTask {
    pub(super) description: &'static str,
    pub(super) emails: Vec<Email>,
}

/// An operation, once it is known whom and what it is about.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) user: i64,
    pub(super) case: i64,
    pub(super) task: i64,
    pub(super) operation: Operation,
}

impl Request {
    /// Returns an email as it is sent.
    pub(super) fn email(&self, email: Email) -> String {
        match email {
            Email::Of(email) => email.to_owned(),
            Email::Placeholder => format!("erased-{}@erased.invalid", self.user),
        }
    }

    /// Returns emails as they are sent.
    pub(super) fn emails(&self, emails: &[Email]) -> Vec<String> {
        emails.iter().map(|email| self.email(*email)).collect()
    }

    /// Whether it is a call of the directory.
    pub(super) fn is_of_directory(&self) -> bool {
        self.operation.action.is_of_directory()
    }

    /// Whether the call only finds out what would be.
    pub(super) fn is_trial(&self) -> bool {
        matches!(
            self.operation.action,
            Action::UpsertUsers { is_trial: true, .. } | Action::UpsertCases { is_trial: true, .. }
        )
    }
}

impl Action {
    fn is_of_directory(&self) -> bool {
        match self {
            Self::UpsertUsers { .. }
            | Self::GetUser(_)
            | Self::ListUsers { .. }
            | Self::Deactivate(_)
            | Self::Reactivate(_)
            | Self::Erase(_)
            | Self::UpsertCases { .. }
            | Self::FindCase(_)
            | Self::ListCases { .. }
            | Self::CloseCase(_) => true,
            Self::CreateCase { .. }
            | Self::GetCase
            | Self::ListAllCases { .. }
            | Self::UpdateCase { .. }
            | Self::DeleteCase
            | Self::CreateTasks { .. }
            | Self::Repeat(_)
            | Self::GetRecord(_)
            | Self::GetTask
            | Self::Assign(_)
            | Self::ListTasks(_) => false,
        }
    }
}

/// Returns a strategy for operations.
pub(super) fn operations() -> impl Strategy<Value = Operation> {
    // Most calls are those of the one who may do everything.
    let caller = select(vec![0, 0, 0, 0, 0, 0, 1, 1, 2]);
    let whose = prop_oneof![7 => Just(Whose::Ours), 1 => Just(Whose::Anybodys)];
    let ages = (0..4_usize, 0..3_usize, 0..4_usize);
    (caller, any::<bool>(), whose, ages, action()).prop_map(
        |(caller, is_over_rest, whose, (user, case, task), action)| Operation {
            caller,
            is_over_rest: is_over_rest && !action.is_of_directory(),
            whose,
            user,
            case,
            task,
            action,
        },
    )
}

fn action() -> impl Strategy<Value = Action> {
    let trial = || prop::bool::weighted(0.15);
    let upsert_users = (vec(user_entry(), 1..3), trial())
        .prop_map(|(users, is_trial)| Action::UpsertUsers { users, is_trial });
    let list_users = (option::of(any::<bool>()), option::weighted(0.3, select(EMAILS.to_vec())))
        .prop_map(|(active, email)| Action::ListUsers { active, email });
    let upsert_cases = (vec(case_entry(), 1..3), trial())
        .prop_map(|(cases, is_trial)| Action::UpsertCases { cases, is_trial });
    let create_case =
        (name(), vec(task(), 0..3)).prop_map(|(name, tasks)| Action::CreateCase { name, tasks });
    let update_case = (option::of(name()), option::of(status()))
        .prop_map(|(name, status)| Action::UpdateCase { name, status });
    let create_tasks = (vec(task(), 1..3), option::weighted(0.5, 0..3_u8))
        .prop_map(|(tasks, key)| Action::CreateTasks { tasks, key });
    prop_oneof![
        6 => upsert_users,
        1 => user_name().prop_map(Action::GetUser),
        1 => list_users,
        2 => user_name().prop_map(Action::Deactivate),
        2 => user_name().prop_map(Action::Reactivate),
        2 => user_name().prop_map(Action::Erase),
        4 => upsert_cases,
        1 => case_name().prop_map(Action::FindCase),
        1 => option::of(status()).prop_map(|status| Action::ListCases { status }),
        2 => case_name().prop_map(Action::CloseCase),
        1 => create_case,
        1 => Just(Action::GetCase),
        2 => option::of(status()).prop_map(|status| Action::ListAllCases { status }),
        2 => update_case,
        1 => Just(Action::DeleteCase),
        7 => create_tasks,
        2 => (0..3_u8).prop_map(Action::Repeat),
        1 => (0..3_u8).prop_map(Action::GetRecord),
        2 => Just(Action::GetTask),
        5 => vec(email(), 0..3).prop_map(Action::Assign),
        2 => email().prop_map(Action::ListTasks),
    ]
}

/// The emails that are fed and asked for, in some spelling.
const EMAILS: [&str; 6] = [
    "ann@example.com",
    "ANN@Example.com",
    "bob@example.com",
    "cid@example.com",
    "dan@example.com",
    "nobody@example.com",
];

fn user_entry() -> impl Strategy<Value = UserEntry> {
    let external_id = select(vec!["", "", "x1", "x2", "x3"]);
    let invalid = ["", "not an email", "erased-1@erased.invalid"];
    let email = prop_oneof![20 => select(EMAILS[..5].to_vec()), 1 => select(invalid.to_vec())];
    let known = select(vec!["", "A", " A ", "B", "C"]);
    let name = || option::of(prop_oneof![20 => known.clone(), 1 => Just("D\0")]);
    (external_id, email, name(), option::of(select(vec!["", "E"]))).prop_map(
        |(external_id, email, first_name, last_name)| UserEntry {
            external_id,
            email,
            first_name,
            last_name,
        },
    )
}

fn case_entry() -> impl Strategy<Value = CaseEntry> {
    let external_id = prop_oneof![20 => select(vec!["c1", "c2", "c3", "c4"]), 1 => Just("")];
    let description = option::of(select(vec!["", "d", " d "]));
    let priority = prop_oneof![10 => select(vec!["LOW", "HIGH"]), 1 => Just("URGENT")];
    let priority = option::of(priority);
    let invalid = select(vec![-1, 1 << 53]);
    let team_id = option::of(prop_oneof![10 => select(vec![0, 1, 2]), 1 => invalid]);
    (external_id, name(), description, priority, option::of(status()), team_id).prop_map(
        |(external_id, name, description, priority, status, team_id)| CaseEntry {
            external_id,
            name,
            description,
            priority,
            status,
            team_id,
        },
    )
}

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![20 => select(vec!["a", "b", " b ", "c"]), 1 => Just("")]
}

fn status() -> impl Strategy<Value = &'static str> {
    select(vec!["OPEN", "CLOSED"])
}

fn user_name() -> impl Strategy<Value = UserName> {
    prop_oneof![
        3 => Just(UserName::Id),
        2 => email().prop_map(UserName::Email),
        1 => select(vec!["x1", "x2", "x3", ""]).prop_map(UserName::ExternalId),
    ]
}

fn case_name() -> impl Strategy<Value = CaseName> {
    let external_id = select(vec!["c1", "c2", "c3", ""]);
    prop_oneof![Just(CaseName::Id), external_id.prop_map(CaseName::ExternalId)]
}

fn email() -> impl Strategy<Value = Email> {
    prop_oneof![
        20 => select(EMAILS.to_vec()).prop_map(Email::Of),
        4 => Just(Email::Placeholder),
        1 => Just(Email::Of("not an email")),
    ]
}

fn task() -> impl Strategy<Value = NewTask> {
    // Most sequences have these users for a while.
    let known = select(vec!["ann@example.com", "BOB@example.com"]).prop_map(Email::Of);
    let emails = prop_oneof![2 => vec(known, 0..3), 1 => vec(email(), 0..3)];
    let description = prop_oneof![20 => select(vec!["x", "y", " y "]), 1 => Just("")];
    (description, emails).prop_map(|(description, emails)| NewTask { description, emails })
}
