//! Changes to tasks.

use std::sync::LazyLock;

use diesel::{
    PgConnection, QueryResult, RunQueryDsl as _,
    pg::{Pg, data_types::PgTimestamp},
    query_builder::AstPass,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz},
};
use domain::{
    Actor, Assignment, Email, Error, FieldPath, Resource, Task, TaskUpdate, TaskUpdates, Violation,
    Violations,
};

use super::{
    change::Change,
    row::{self, Columns, Row},
};
use crate::{
    database::Database,
    sql::{Parameters, Sql, Statement, bind},
    time::allowed_times,
};

/// Changes tasks.
pub(super) struct Update;

/// Whether the case and the task exist, whether the task is stale, and whether the statement was
/// raced.
type State = (Bool, Bool, Bool, Bool);

impl Statement for Update {
    type Columns = (State, Array<SmallInt>, Array<SmallInt>, Columns);

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> = LazyLock::new(|| Sql::new(UPDATE));
        &TEXT
    }
}

/// Finds out what a change would do. It locks nothing.
pub(super) struct UpdateTrial;

impl Statement for UpdateTrial {
    type Columns = (State, Array<SmallInt>, Array<SmallInt>, Columns);

    fn text() -> &'static Sql {
        static WITHOUT_LOCKS: LazyLock<Sql> =
            LazyLock::new(|| Sql::new(&UPDATE.replace("FOR UPDATE OF t SKIP LOCKED", "")));
        &WITHOUT_LOCKS
    }
}

const UPDATE: &str = include_str!("update.sql");

/// The values of [`State`].
type StateValues = (bool, bool, bool, bool);

/// What the statement returns of a change: the state, the positions of the emails of no user, and of
/// those who may not be assigned, and the task.
type Changed = (StateValues, Vec<i16>, Vec<i16>, Option<Task>);

/// The parameters, as update.sql describes them.
#[derive(Default)]
struct Changes {
    tenant: i64,
    case: i64,
    tasks: Vec<i64>,
    descriptions: Vec<Option<String>>,
    completed: Vec<Option<bool>>,
    replaces_assignees: Vec<bool>,
    precondition_changes: Vec<i32>,
    precondition_times: Vec<PgTimestamp>,
    email_changes: Vec<i32>,
    email_positions: Vec<i16>,
    email_addresses: Vec<String>,
    is_trial: bool,
    key: i64,
    request_id: String,
}

impl Changes {
    fn new(actor: &Actor, updates: &TaskUpdates, is_trial: bool) -> Self {
        let mut changes = Self {
            tenant: actor.tenant.get(),
            case: updates.case.get(),
            is_trial,
            key: actor.key.get(),
            request_id: actor.request_id.clone(),
            ..Self::default()
        };
        for (no, update) in (1..).zip(&updates.updates) {
            changes.add(no, update);
        }
        changes
    }

    fn add(&mut self, no: i32, update: &TaskUpdate) {
        self.tasks.push(update.task.get());
        let description = update.description.as_ref();
        self.descriptions.push(description.map(|description| description.as_str().to_owned()));
        self.completed.push(update.completed);
        self.replaces_assignees.push(update.assignments.is_some());
        if let Some(times) = allowed_times(&update.precondition) {
            self.precondition_changes.extend(times.iter().map(|_| no));
            self.precondition_times.extend(times);
        }
        for (position, Assignment { email, .. }) in (0..).zip(update.assignments.iter().flatten()) {
            self.email_changes.push(no);
            self.email_positions.push(position);
            self.email_addresses.push(email.as_str().to_owned());
        }
    }
}

impl Parameters for &Changes {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match number {
            1 => out.push_bind_param::<BigInt, _>(&self.tenant),
            2 => out.push_bind_param::<BigInt, _>(&self.case),
            3 => out.push_bind_param::<Array<BigInt>, _>(&self.tasks),
            4 => out.push_bind_param::<Array<Nullable<Text>>, _>(&self.descriptions),
            5 => out.push_bind_param::<Array<Nullable<Bool>>, _>(&self.completed),
            6 => out.push_bind_param::<Array<Bool>, _>(&self.replaces_assignees),
            7 => out.push_bind_param::<Array<Integer>, _>(&self.precondition_changes),
            8 => out.push_bind_param::<Array<Timestamptz>, _>(&self.precondition_times),
            9 => out.push_bind_param::<Array<Integer>, _>(&self.email_changes),
            10 => out.push_bind_param::<Array<SmallInt>, _>(&self.email_positions),
            11 => out.push_bind_param::<Array<Text>, _>(&self.email_addresses),
            12 => out.push_bind_param::<Bool, _>(&self.is_trial),
            13 => out.push_bind_param::<BigInt, _>(&self.key),
            _ => out.push_bind_param::<Text, _>(&self.request_id),
        }
    }
}

impl Change for Changes {
    type Row = (StateValues, Vec<i16>, Vec<i16>, Row);

    const NAME: &'static str = "update_tasks";

    fn tasks(&self) -> (i64, i64, &[i64]) {
        (self.tenant, self.case, &self.tasks)
    }

    fn run(&self, connection: &mut PgConnection) -> QueryResult<Vec<Self::Row>> {
        bind(Update, self).load(connection)
    }

    fn is_raced(((.., is_raced), ..): &Self::Row) -> bool {
        *is_raced
    }
}

impl Database {
    /// Changes tasks of a case: all of them or none. Returns them as they are then, in the order of
    /// the request. What is already as it should be is not touched. If `is_trial`, nothing is
    /// changed, and the tasks are returned as they would be, apart from their times.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such case, then [`Error::TasksNotFound`], then
    /// [`Error::Stale`], then [`Error::Invalid`] if users do not exist; [`Error::Unavailable`],
    /// [`Error::OutcomeUnknown`] and [`Error::Internal`].
    pub async fn update_tasks(
        &self,
        actor: &Actor,
        updates: TaskUpdates,
        is_trial: bool,
    ) -> Result<Vec<Task>, Error> {
        let tenant = actor.tenant;
        let changes = Changes::new(actor, &updates, is_trial);
        let rows = if is_trial {
            self.read_for(tenant, "check_updates", move |connection| {
                Ok(bind(UpdateTrial, &changes).load(connection)?)
            })
            .await?
        } else {
            self.change_tasks(tenant, changes).await?
        };
        let changed = rows
            .into_iter()
            .map(|(state, unknown, deactivated, row)| {
                Ok((state, unknown, deactivated, row::to_task(row)?))
            })
            .collect::<Result<Vec<Changed>, crate::Error>>();
        // The change is made by now; only its result can't be read.
        let changed = changed.map_err(|error| match is_trial {
            true => error,
            false => crate::Error::connection_lost(error),
        })?;
        conclude(&updates, changed)
    }
}

fn conclude(updates: &TaskUpdates, changed: Vec<Changed>) -> Result<Vec<Task>, Error> {
    if changed.iter().any(|((case_exists, ..), ..)| !case_exists) {
        return Err(Error::NotFound(Resource::Case(updates.case)));
    }
    let violations = |field, rule, is_violated: fn(&Changed) -> bool| {
        let all = changed.iter().enumerate().filter(|(_, change)| is_violated(change));
        let all = all.map(|(index, _)| Violation { path: FieldPath::at(field, index), rule });
        Violations::new(all.collect())
    };
    let missing =
        violations("tasks[*].id", &TaskUpdates::NOT_FOUND, |((_, exists, ..), ..)| !exists);
    if let Some(missing) = missing {
        return Err(Error::TasksNotFound(missing));
    }
    let stale =
        violations("tasks[*].etag", &TaskUpdates::STALE, |((_, _, is_stale, _), ..)| *is_stale);
    if let Some(stale) = stale {
        return Err(Error::Stale(stale));
    }
    if let Some(refused) = Violations::new(refused_users(updates, &changed)) {
        return Err(Error::Invalid(refused));
    }
    Ok(changed.into_iter().filter_map(|(.., task)| task).collect())
}

/// Returns a violation for each email of no user, or of one who may not be assigned.
fn refused_users(updates: &TaskUpdates, changed: &[Changed]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (task, (update, (_, unknown, deactivated, _))) in
        updates.updates.iter().zip(changed).enumerate()
    {
        let unknown = unknown.iter().map(|position| (*position, &Email::UNKNOWN_USER));
        let deactivated = deactivated.iter().map(|position| (*position, &Email::USER_DEACTIVATED));
        let mut refused: Vec<_> = unknown.chain(deactivated).collect();
        refused.sort_by_key(|(position, _)| *position);
        let assignments = update.assignments.as_deref().unwrap_or_default();
        violations.extend(refused.into_iter().filter_map(|(position, rule)| {
            let Assignment { index, .. } = assignments.get(usize::try_from(position).ok()?)?;
            Some(Violation { path: Assignment::path(task, *index), rule })
        }));
    }
    violations
}
