//! Users.

use diesel::prelude::*;
use domain::{Email, TenantId, User, UserId};

use crate::{Database, Error, schema::users, tenants};

/// A user to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// Their email, unique in the tenant.
    pub email: Email,
    /// Their first name: at most 200 characters.
    pub first_name: String,
    /// Their last name: at most 200 characters.
    pub last_name: String,
}

type Row = (i64, String, String, String);

impl Database {
    /// Creates a user.
    ///
    /// # Errors
    /// [`Error::Exists`] where the email is taken, [`Error::Missing`] where the tenant is,
    /// [`Error::Invalid`] where a name is too long.
    pub async fn create_user(&self, tenant: TenantId, user: NewUser) -> Result<User, Error> {
        self.run(move |connection| {
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
                        "users_first_name_check" | "users_last_name_check" => {
                            Some(Error::Invalid("a name has at most 200 characters".to_owned()))
                        }
                        _ => None,
                    })
                })?;
            to_user(row)
        })
        .await
    }

    /// A tenant's users, by id.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list_users(&self, tenant: TenantId) -> Result<Vec<User>, Error> {
        self.run(move |connection| {
            users::table
                .filter(users::tenant_id.eq(tenant.get()))
                .order(users::id)
                .select((users::id, users::email, users::first_name, users::last_name))
                .load::<Row>(connection)?
                .into_iter()
                .map(to_user)
                .collect()
        })
        .await
    }
}

fn to_user((id, email, first_name, last_name): Row) -> Result<User, Error> {
    let broken =
        || Error::Internal(format!("user {id} is stored with a broken id or email").into());
    Ok(User {
        id: UserId::new(id).ok_or_else(broken)?,
        email: Email::parse(email).map_err(|_| broken())?,
        first_name,
        last_name,
    })
}
