//! Upserts of users.

use std::sync::LazyLock;

use diesel::{
    PgConnection, QueryResult, RunQueryDsl as _,
    pg::{Pg, data_types::PgTimestamp},
    query_builder::AstPass,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz},
};
use domain::{
    CallAgent, Change, DirectoryUser, Email, Error, ExternalId, PersonName, TenantId, UserId,
    UserUpserts, Violation, Violations,
};

use super::{
    contention::{TurnLock, Upsert},
    row::{change, unreadable},
};
use crate::{
    audit::BoundAgent,
    database::Database,
    sql::{Parameters, Sql, Statement, bind},
    time::from_postgres,
};

const TEXT: &str = include_str!("upsert_users.sql");

/// Upserts users, and waits for nobody.
pub(super) struct UpsertUsers;

/// Upserts users, and waits for those whom other transactions have locked.
pub(super) struct UpsertUsersWaiting;

/// Whether the statement was raced; whether the user is a duplicate, and the email another user's;
/// whether the user is new, and changed.
type State = (Bool, Bool, Bool, Bool, Bool);

/// The id, the external id, the email, the names, and since when the user is deactivated.
type Columns = (Nullable<BigInt>, Nullable<Text>, Text, Text, Text, Nullable<Timestamptz>);

impl Statement for UpsertUsers {
    type Columns = (State, Columns);

    fn text() -> &'static Sql {
        static SQL: LazyLock<Sql> = LazyLock::new(|| Sql::new(TEXT));
        &SQL
    }
}

impl Statement for UpsertUsersWaiting {
    type Columns = (State, Columns);

    fn text() -> &'static Sql {
        static SQL: LazyLock<Sql> = LazyLock::new(|| Sql::new(&TEXT.replace(" SKIP LOCKED", "")));
        &SQL
    }
}

/// The values of a row.
type Row = (
    (bool, bool, bool, bool, bool),
    (Option<i64>, Option<String>, String, String, String, Option<PgTimestamp>),
);

/// The parameters, as upsert_users.sql describes them.
struct Users {
    tenant: i64,
    external_ids: Vec<Option<String>>,
    emails: Vec<String>,
    first_names: Vec<Option<String>>,
    last_names: Vec<Option<String>>,
    is_trial: bool,
    lock: TurnLock,
    agent: BoundAgent,
}

impl Users {
    fn new(tenant: TenantId, agent: &CallAgent, upserts: &UserUpserts, is_trial: bool) -> Self {
        let name = |name: &Option<PersonName>| name.as_ref().map(|name| name.as_str().to_owned());
        let users = upserts.as_slice();
        let external_id = |id: &Option<ExternalId>| id.as_ref().map(|id| id.as_str().to_owned());
        Self {
            tenant: tenant.get(),
            external_ids: users.iter().map(|user| external_id(&user.external_id)).collect(),
            emails: users.iter().map(|user| user.email.as_str().to_owned()).collect(),
            first_names: users.iter().map(|user| name(&user.first_name)).collect(),
            last_names: users.iter().map(|user| name(&user.last_name)).collect(),
            is_trial,
            lock: TurnLock::of(tenant),
            agent: agent.into(),
        }
    }
}

impl Parameters for &Users {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match number {
            1 => out.push_bind_param::<BigInt, _>(&self.tenant),
            2 => out.push_bind_param::<Array<Nullable<Text>>, _>(&self.external_ids),
            3 => out.push_bind_param::<Array<Text>, _>(&self.emails),
            4 => out.push_bind_param::<Array<Nullable<Text>>, _>(&self.first_names),
            5 => out.push_bind_param::<Array<Nullable<Text>>, _>(&self.last_names),
            6 => out.push_bind_param::<Bool, _>(&self.is_trial),
            7 => out.push_bind_param::<Integer, _>(&self.lock.class),
            8 => out.push_bind_param::<Integer, _>(&self.lock.tenant),
            9 => out.push_bind_param::<BigInt, _>(&self.agent.key),
            10 => out.push_bind_param::<Nullable<Text>, _>(&self.agent.address),
            _ => out.push_bind_param::<Text, _>(&self.agent.request_id),
        }
    }
}

impl Upsert for Users {
    type Row = Row;

    const NAME: &'static str = "upsert_users";

    fn run(&self, connection: &mut PgConnection, waits: bool) -> QueryResult<Vec<Row>> {
        match waits {
            true => bind(UpsertUsersWaiting, self).load(connection),
            false => bind(UpsertUsers, self).load(connection),
        }
    }

    fn is_raced(((is_raced, ..), _): &Row) -> bool {
        *is_raced
    }
}

impl Database {
    /// Creates or changes users: all of them or none. Returns what became of each, in the order of the
    /// request. If `is_trial`, nothing is changed, and the users are returned as they would be; new ones
    /// without an id.
    ///
    /// # Errors
    /// [`Error::Invalid`] if two users of the request are the same, or if other users have their emails;
    /// [`Error::Unavailable`], [`Error::OutcomeUnknown`] and [`Error::Internal`].
    pub async fn upsert_users(
        &self,
        tenant: TenantId,
        agent: &CallAgent,
        upserts: &UserUpserts,
        is_trial: bool,
    ) -> Result<Vec<(DirectoryUser, Change)>, Error> {
        let users = Users::new(tenant, agent, upserts, is_trial);
        let rows = if is_trial {
            let check = move |connection: &mut PgConnection| Ok(users.run(connection, false)?);
            self.read_for(tenant, "check_users", check).await?
        } else {
            self.upsert(tenant, users).await?
        };
        if let Some(violations) = Violations::new(violations(upserts, &rows)) {
            return Err(Error::Invalid(violations));
        }
        let users = rows.into_iter().map(to_user).collect::<Option<Vec<_>>>();
        users.ok_or_else(|| unreadable(is_trial))
    }
}

/// Returns a violation for each user at fault.
fn violations(upserts: &UserUpserts, rows: &[Row]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, ((_, is_duplicate, is_email_taken, ..), _)) in rows.iter().enumerate() {
        if *is_duplicate {
            let path = upserts.path_of_name(index);
            violations.push(Violation { path, rule: &UserUpserts::DUPLICATE });
        } else if *is_email_taken {
            let path = UserUpserts::path_of_email(index);
            violations.push(Violation { path, rule: &UserUpserts::EMAIL_TAKEN });
        }
    }
    violations
}

/// Returns the user in a row, and what became of them.
fn to_user(((.., is_new, is_changed), user): Row) -> Option<(DirectoryUser, Change)> {
    let (id, external_id, email, first_name, last_name, deactivated_at) = user;
    let user = DirectoryUser {
        id: id.map(|id| UserId::new(id).ok_or(())).transpose().ok()?,
        external_id: external_id.map(ExternalId::parse).transpose().ok()?,
        email: Email::parse(email).ok()?,
        first_name,
        last_name,
        deactivated_at: deactivated_at.map(from_postgres),
        erased_at: None,
    };
    Some((user, change(is_new, is_changed)))
}
