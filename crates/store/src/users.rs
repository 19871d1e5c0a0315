//! Users.

use diesel::{PgConnection, prelude::*};
use domain::{Agent, AuditEvent, DirectoryUser, Email, NewAuditEntry, TenantId, User, UserId};

use crate::{
    audit::audited, database::Database, directory::row, error::Error, schema::users, tenants,
};

/// A user to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// The user's email, unique in the tenant.
    pub email: Email,
    /// The user's first name: at most 200 characters.
    pub first_name: String,
    /// The user's last name: at most 200 characters.
    pub last_name: String,
}

pub(crate) type Row = (i64, String, String, String);

impl Database {
    /// Creates a user.
    ///
    /// # Errors
    /// [`Error::Exists`] if another user of the tenant has the email, [`Error::Missing`] if the tenant
    /// does not exist, [`Error::Invalid`] if a name is too long.
    pub async fn create_user(&self, tenant: TenantId, user: NewUser) -> Result<User, Error> {
        self.write("create_user", move |connection| {
            audited(connection, |connection| {
                let user = insert(connection, tenant, &user)?;
                let id = user.id.get();
                let entry = NewAuditEntry::now(AuditEvent::UserCreated, Agent::Session, id);
                Ok((user, tenant, vec![entry]))
            })
        })
        .await
    }

    /// Returns a tenant's users, in the order of their ids.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list_users(&self, tenant: TenantId) -> Result<Vec<DirectoryUser>, Error> {
        self.read("list_users", move |connection| {
            users::table
                .filter(users::tenant_id.eq(tenant.get()))
                .order(users::id)
                .select(row::COLUMNS)
                .load::<row::Row>(connection)?
                .into_iter()
                .map(row::to_user)
                .collect()
        })
        .await
    }
}

fn insert(connection: &mut PgConnection, tenant: TenantId, user: &NewUser) -> Result<User, Error> {
    let row = diesel::insert_into(users::table)
        .values((
            users::tenant_id.eq(tenant.get()),
            users::email.eq(user.email.as_str()),
            users::first_name.eq(&user.first_name),
            users::last_name.eq(&user.last_name),
        ))
        .returning((users::id, users::email, users::first_name, users::last_name))
        .get_result::<Row>(connection)
        .map_err(|error| {
            Error::on_constraint(error, |constraint| match constraint {
                "users_email_key" => Some(Error::Exists(format!("user {}", user.email))),
                "users_tenant_fkey" => Some(tenants::missing(tenant)),
                "users_erased_check" => Some(Error::Invalid(format!(
                    "an email erased-…@{} is reserved for erased users",
                    Email::RESERVED_DOMAIN
                ))),
                "users_first_name_check" | "users_last_name_check" => {
                    Some(Error::Invalid("a name has at most 200 characters".to_owned()))
                }
                _ => None,
            })
        })?;
    to_user(row)
}

/// Returns the user in a row.
pub(crate) fn to_user((id, email, first_name, last_name): Row) -> Result<User, Error> {
    let invalid = || Error::internal(format!("user {id} is stored with an invalid id or email"));
    Ok(User {
        id: UserId::new(id).ok_or_else(invalid)?,
        email: Email::parse(email).map_err(|_| invalid())?,
        first_name,
        last_name,
    })
}
