//! `ReactivateUser`: makes a deactivated user active again.

use domain::{Error, Principal, Scope};
use proto::directory::v1::{ReactivateUserRequest, ReactivateUserResponse};
use store::Database;

use super::convert;
use crate::{
    audit::Origin,
    call::{Call, Reply},
};

/// One call of `ReactivateUser`.
pub(super) struct ReactivateUser<'a> {
    pub(super) database: &'a Database,
    pub(super) origin: Origin,
}

impl Call for ReactivateUser<'_> {
    type Request = ReactivateUserRequest;
    type Response = ReactivateUserResponse;

    const SCOPE: Scope = Scope::Admin;

    async fn run(
        self,
        caller: Principal,
        request: ReactivateUserRequest,
    ) -> Result<Reply<ReactivateUserResponse>, Error> {
        let agent = self.origin.agent(caller.key);
        let key = convert::to_user_key(request.user)?;
        let user = self.database.reactivate_user(caller.tenant, agent, key).await?;
        Ok(ReactivateUserResponse { user: Some(convert::from_user(user)) }.into())
    }
}
