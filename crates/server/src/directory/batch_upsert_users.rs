//! `BatchUpsertUsers`: creates or changes up to 500 users, all or none.

use domain::{Error, Principal, Scope, UserUpserts};
use proto::{
    directory::v1::{BatchUpsertUsersRequest, BatchUpsertUsersResponse, UpsertedUser},
    wire::Reason,
};
use store::Database;

use super::convert;
use crate::{
    audit::Origin,
    call::{Call, Reply},
};

/// One call of `BatchUpsertUsers`.
pub(super) struct BatchUpsertUsers<'a> {
    pub(super) database: &'a Database,
    pub(super) origin: Origin,
}

impl Call for BatchUpsertUsers<'_> {
    type Request = BatchUpsertUsersRequest;
    type Response = BatchUpsertUsersResponse;

    const SCOPE: Scope = Scope::Admin;
    const INVALID: Reason = Reason::InvalidBatch;

    async fn run(
        self,
        caller: Principal,
        request: BatchUpsertUsersRequest,
    ) -> Result<Reply<BatchUpsertUsersResponse>, Error> {
        let agent = self.origin.call_agent(caller.key);
        let BatchUpsertUsersRequest { users, validate_only } = request;
        let users = users.into_iter().map(convert::to_user_draft);
        let users = UserUpserts::parse(users).map_err(Error::Invalid)?;
        let users =
            self.database.upsert_users(caller.tenant, &agent, &users, validate_only).await?;
        let users = users.into_iter().map(|(user, change)| UpsertedUser {
            user: Some(convert::from_user(user)),
            change: convert::from_change(change).into(),
        });
        Ok(BatchUpsertUsersResponse { users: users.collect() }.into())
    }
}
