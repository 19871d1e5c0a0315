//! The creation of cases, with their first tasks.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use diesel::{
    PgConnection, QueryResult, RunQueryDsl as _,
    pg::{Pg, data_types::PgTimestamp},
    query_builder::AstPass,
    result::{DatabaseErrorKind, Error as DieselError},
    sql_types::{Array, BigInt, Binary, Integer, Nullable, SmallInt, Text, Timestamptz},
};
use domain::{
    Assignment, CallAgent, Case, CaseId, CreatedCase, Error, Fingerprint, FingerprintVersion,
    IdempotencyKey, Idempotent as _, NewCase, TeamId, TenantId, Violations,
};
use tokio::time::sleep;

use crate::{
    apart::{Attempt, MOMENT},
    audit::BoundAgent,
    connections::presence::Presence,
    database::Database,
    sql::{Parameters, Sql, Statement, bind},
    time::from_postgres,
    write_path::{
        creation::{Creation, found_user, users_of},
        idempotency::{self, IdempotencyRecord, Match},
    },
};

/// How long a case in doubt is created again to find out whether it was, as long as its caller waits.
const DOUBT_LIMIT: Duration = Duration::from_secs(30);

/// The pause between two attempts to find out.
const PAUSE: Duration = Duration::from_millis(100);

/// Creates a case.
pub(super) struct Create;

impl Statement for Create {
    type Columns = (
        Timestamptz,
        Nullable<BigInt>,
        Array<BigInt>,
        Array<Nullable<BigInt>>,
        Array<Nullable<Text>>,
        Array<Nullable<Text>>,
    );

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> = LazyLock::new(|| Sql::new(include_str!("create.sql")));
        &TEXT
    }
}

/// The time, the case if it was created, its tasks, and their users, as far as they exist.
type Row = (
    PgTimestamp,
    Option<i64>,
    Vec<i64>,
    Vec<Option<i64>>,
    Vec<Option<String>>,
    Vec<Option<String>>,
);

/// What there is to create, and by whom.
#[derive(Clone)]
struct Creating {
    tenant: TenantId,
    agent: BoundAgent,
    case: NewCase,
}

/// What became of it.
struct Created {
    row: Row,
    /// The record of the idempotency key, if nothing was created.
    record: Option<IdempotencyRecord>,
}

/// The parameters, as create.sql describes them.
struct Bound<'a> {
    tenant: i64,
    case: &'a NewCase,
    team: Option<i64>,
    descriptions: Vec<&'a str>,
    user_ends: Vec<i16>,
    email_tasks: Vec<i32>,
    email_positions: Vec<i16>,
    email_addresses: Vec<&'a str>,
    idempotency_key: Option<&'a str>,
    operation: &'static str,
    fingerprint: Option<Fingerprint>,
    fingerprint_version: i16,
    agent: &'a BoundAgent,
    lock_timeout: Option<&'static str>,
}

impl<'a> Bound<'a> {
    fn new(creating: &'a Creating, lock_timeout: Option<&'static str>) -> Self {
        let Creating { tenant, agent, case } = creating;
        let version = FingerprintVersion::CURRENT;
        let mut bound = Self {
            tenant: tenant.get(),
            case,
            team: case.team.map(TeamId::get),
            descriptions: Vec::new(),
            user_ends: Vec::new(),
            email_tasks: Vec::new(),
            email_positions: Vec::new(),
            email_addresses: Vec::new(),
            idempotency_key: case.idempotency_key().map(IdempotencyKey::as_str),
            operation: case.operation().as_str(),
            fingerprint: case.idempotency_key().map(|_| case.fingerprint(version)),
            fingerprint_version: version.number(),
            agent,
            lock_timeout,
        };
        for (no, task) in (1..).zip(case.tasks()) {
            for (position, Assignment { email, .. }) in (0..).zip(&task.assignments) {
                bound.email_tasks.push(no);
                bound.email_positions.push(position);
                bound.email_addresses.push(email.as_str());
            }
            bound.descriptions.push(task.description.as_str());
            // A case is created with some thousand assignments at most.
            bound.user_ends.push(i16::try_from(bound.email_tasks.len()).unwrap_or(i16::MAX));
        }
        bound
    }
}

impl Parameters for Bound<'_> {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match number {
            1 => out.push_bind_param::<BigInt, _>(&self.tenant),
            2 => out.push_bind_param::<Text, _>(self.case.name.as_str()),
            3 => out.push_bind_param::<Text, _>(self.case.description.as_str()),
            4 => out.push_bind_param::<Text, _>(self.case.priority.as_str()),
            5 => out.push_bind_param::<Text, _>(self.case.status.as_str()),
            6 => out.push_bind_param::<Nullable<BigInt>, _>(&self.team),
            7 => out.push_bind_param::<Array<Text>, _>(&self.descriptions),
            8 => out.push_bind_param::<Array<SmallInt>, _>(&self.user_ends),
            9 => out.push_bind_param::<Array<Integer>, _>(&self.email_tasks),
            10 => out.push_bind_param::<Array<SmallInt>, _>(&self.email_positions),
            11 => out.push_bind_param::<Array<Text>, _>(&self.email_addresses),
            12 => out.push_bind_param::<Nullable<Text>, _>(&self.idempotency_key),
            13 => out.push_bind_param::<Text, _>(self.operation),
            14 => out.push_bind_param::<Nullable<Binary>, _>(&self.fingerprint),
            15 => out.push_bind_param::<SmallInt, _>(&self.fingerprint_version),
            16 => out.push_bind_param::<BigInt, _>(&self.agent.key),
            17 => out.push_bind_param::<Text, _>(&self.agent.request_id),
            18 => out.push_bind_param::<Nullable<Text>, _>(&self.lock_timeout),
            _ => out.push_bind_param::<Nullable<Text>, _>(&self.agent.address),
        }
    }
}

impl Creating {
    /// Creates the case. If that did not happen, looks up whether an earlier request has.
    fn run(
        &self,
        connection: &mut PgConnection,
        lock_timeout: Option<&'static str>,
    ) -> QueryResult<Option<Created>> {
        let row = match bind(Create, Bound::new(self, lock_timeout)).get_result::<Row>(connection) {
            // A user was deleted between the look-up and the check of the foreign key. The next
            // look-up no longer finds it.
            Err(DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, info))
                if info.constraint_name() == Some("task_assignees_user_fkey") =>
            {
                return Ok(None);
            }
            result => result?,
        };
        let is_created = row.1.is_some();
        let record = match self.case.idempotency_key().filter(|_| !is_created) {
            Some(key) => idempotency::find(connection, self.tenant, key)?,
            None => None,
        };
        Ok(Some(Created { row, record }))
    }

    /// Returns the result of the request, given that of the statement.
    fn conclude(self, created: Created) -> Result<CreatedCase, Error> {
        let Created { row, record } = created;
        let (created_at, case, task_ids, user_ids, first_names, last_names) = row;
        let names = first_names.into_iter().zip(last_names);
        let found =
            user_ids.into_iter().zip(names).map(|(id, (first, last))| found_user(id, first, last));
        let (users, violations) = users_of(self.case.tasks(), found);
        let creation = Creation { created_at: from_postgres(created_at), task_ids, users };
        match (case, record) {
            (Some(case), _) => self.result(case, creation, false),
            (None, Some(record)) => match record.compare(&self.case) {
                Match::Same => self.result(record.case.unwrap_or_default(), record.creation, true),
                Match::Other => Err(Error::IdempotencyKeyReused),
                // A server of that release can tell.
                Match::Unknown => Err(Error::Unavailable(
                    "a newer release has written the record of the idempotency key".into(),
                )),
            },
            (None, None) => match Violations::new(violations) {
                Some(violations) => Err(Error::Invalid(violations)),
                None => Err(Error::Unavailable("the idempotency key has just expired".into())),
            },
        }
    }

    /// Returns the result of the request that created this, which is committed.
    fn result(self, case: i64, creation: Creation, is_replay: bool) -> Result<CreatedCase, Error> {
        let mismatch =
            || Error::OutcomeUnknown(format!("the result for case {case} does not fit it").into());
        let created_at = creation.created_at;
        let id = CaseId::new(case).ok_or_else(mismatch)?;
        let case = Case {
            id,
            name: self.case.name.as_str().to_owned(),
            description: self.case.description.as_str().to_owned(),
            priority: self.case.priority,
            status: self.case.status,
            team: self.case.team,
            created_at,
            updated_at: created_at,
        };
        let tasks = creation.tasks(id, self.case.into_tasks()).ok_or_else(mismatch)?;
        Ok(CreatedCase { case, tasks, is_replay })
    }
}

impl Attempt for Creating {
    type Outcome = Created;

    const NAME: &'static str = "create_case_with_tasks";

    fn at_once(&self, connection: &mut PgConnection, _: &Presence) -> QueryResult<Option<Created>> {
        self.run(connection, Some(MOMENT))
    }

    fn waiting(&self, connection: &mut PgConnection, _: &Presence) -> QueryResult<Option<Created>> {
        self.run(connection, None)
    }
}

impl Database {
    /// Creates a case with its tasks: all of it or nothing.
    ///
    /// With an idempotency key it is created once, however often and through however many servers it
    /// is requested. If the connection is lost then, the statement is run again on another one until
    /// it is known what happened.
    ///
    /// # Errors
    /// [`Error::IdempotencyKeyReused`] if the tenant used the key for another request;
    /// [`Error::Invalid`] if users do not exist; [`Error::Unavailable`], [`Error::OutcomeUnknown`]
    /// and [`Error::Internal`].
    pub async fn create_case_with_tasks(
        &self,
        tenant: TenantId,
        agent: &CallAgent,
        case: NewCase,
    ) -> Result<CreatedCase, Error> {
        let creating = Creating { tenant, agent: agent.into(), case };
        let mut in_doubt_since: Option<Instant> = None;
        loop {
            let error = match self.attempt(tenant, creating.clone()).await {
                Ok(created) => {
                    let result = creating.conclude(created);
                    return result.map_err(|error| match (error, in_doubt_since) {
                        (Error::IdempotencyKeyReused, _) => Error::IdempotencyKeyReused,
                        // A statement whose connection was lost may still create the case.
                        (error, Some(_)) => Error::OutcomeUnknown(Box::new(error)),
                        (error, None) => error,
                    });
                }
                Err(error) => error,
            };
            if creating.case.idempotency_key().is_none() {
                return Err(error);
            }
            match error {
                Error::OutcomeUnknown(_) => {
                    in_doubt_since.get_or_insert_with(Instant::now);
                    tracing::warn!(
                        %error,
                        "the case may have been created; running its statement again to find out"
                    );
                }
                // Nothing was written by this attempt.
                Error::Unavailable(_) | Error::TenantOverloaded if in_doubt_since.is_some() => {}
                error => return Err(error),
            }
            if in_doubt_since.is_some_and(|since| since.elapsed() > DOUBT_LIMIT) {
                return Err(Error::OutcomeUnknown("the database did not become available".into()));
            }
            sleep(PAUSE).await;
        }
    }
}
