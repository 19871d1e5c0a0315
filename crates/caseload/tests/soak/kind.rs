//! The kinds of calls, and how often callers make each.

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    BatchCreateTasks,
    BatchCreateTasksWithKey,
    CreateTask,
    CreateTaskWithKey,
    GetTask,
    BatchGetTasks,
    ListTasks,
    ListTasksOfUser,
    ListTaskEvents,
    UpdateTask,
    BatchUpdateTasks,
    DeleteTask,
    BatchDeleteTasks,
    GetIdempotencyRecord,
    CreateCase,
    GetCase,
    ListCases,
    UpdateCase,
    DeleteCase,
    BatchUpsertUsers,
    GetUser,
    ListUsers,
    DeactivateUser,
    ReactivateUser,
    EraseUser,
    BatchUpsertCases,
    GetFedCase,
    ListFedCases,
    CloseCase,
}

/// A kind of call, its name in the report, how many of 1,000 calls are of it, and whether it is also made
/// over REST.
type Row = (Kind, &'static str, usize, bool);

/// The mix; docs/SOAK.md has it, too. As much is deleted as is created: a `DeleteTask` stands for a deletion of tasks in general, of
/// which those of several tasks are batches. It is drawn a little more often than tasks are created, and is a
/// `GetTask` where nothing is old enough to be deleted.
const MIX: [Row; 29] = [
    (Kind::BatchCreateTasks, "BatchCreateTasks", 40, true),
    (Kind::BatchCreateTasksWithKey, "BatchCreateTasks with a key", 50, true),
    (Kind::CreateTask, "CreateTask", 15, true),
    (Kind::CreateTaskWithKey, "CreateTask with a key", 15, true),
    (Kind::GetTask, "GetTask", 240, true),
    (Kind::BatchGetTasks, "BatchGetTasks", 50, false),
    (Kind::ListTasks, "ListTasks of a case", 110, true),
    (Kind::ListTasksOfUser, "ListTasks of a user", 20, true),
    (Kind::ListTaskEvents, "ListTaskEvents", 40, true),
    (Kind::UpdateTask, "UpdateTask", 60, true),
    (Kind::BatchUpdateTasks, "BatchUpdateTasks", 30, true),
    (Kind::DeleteTask, "DeleteTask", 125, true),
    (Kind::BatchDeleteTasks, "BatchDeleteTasks", 0, true),
    (Kind::GetIdempotencyRecord, "GetIdempotencyRecord", 20, true),
    (Kind::CreateCase, "CreateCase with a key", 15, true),
    (Kind::GetCase, "GetCase", 70, true),
    (Kind::ListCases, "ListCases", 20, true),
    (Kind::UpdateCase, "UpdateCase", 15, true),
    (Kind::DeleteCase, "DeleteCase", 16, true),
    (Kind::BatchUpsertUsers, "BatchUpsertUsers", 6, false),
    (Kind::GetUser, "GetUser", 12, false),
    (Kind::ListUsers, "ListUsers", 4, false),
    (Kind::DeactivateUser, "DeactivateUser", 3, false),
    (Kind::ReactivateUser, "ReactivateUser", 3, false),
    (Kind::EraseUser, "EraseUser", 1, false),
    (Kind::BatchUpsertCases, "BatchUpsertCases", 6, false),
    (Kind::GetFedCase, "GetCase of the directory", 8, false),
    (Kind::ListFedCases, "ListCases of the directory", 3, false),
    (Kind::CloseCase, "CloseCase", 3, false),
];

/// The number of calls of all kinds together.
const TOTAL: usize = 1000;

impl Kind {
    /// Every kind, in the order of the report.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        MIX.into_iter().map(|(kind, ..)| kind)
    }

    /// Returns the kind of the call with a random number, from 0 to 999.
    pub(crate) fn of(mut number: usize) -> Self {
        for (kind, _, weight, _) in MIX {
            if number < weight {
                return kind;
            }
            number -= weight;
        }
        Self::GetTask
    }

    /// The number of numbers that [`Kind::of`] takes.
    pub(crate) const fn numbers() -> usize {
        TOTAL
    }

    pub(crate) fn name(self) -> &'static str {
        self.row().1
    }

    /// Returns how many of 1,000 calls are drawn to be of this kind.
    pub(crate) fn weight(self) -> usize {
        self.row().2
    }

    pub(crate) fn has_rest(self) -> bool {
        self.row().3
    }

    fn row(self) -> Row {
        MIX[self as usize]
    }
}
