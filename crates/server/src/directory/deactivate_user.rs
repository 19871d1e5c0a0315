//! `DeactivateUser`: ends new assignments to a user.

use domain::{Error, Principal, Scope};
use proto::directory::v1::{DeactivateUserRequest, DeactivateUserResponse};
use store::Database;

use super::convert;
use crate::{
    audit::Origin,
    call::{Call, Reply},
};

/// One call of `DeactivateUser`.
pub(super) struct DeactivateUser<'a> {
    pub(super) database: &'a Database,
    pub(super) origin: Origin,
}

impl Call for DeactivateUser<'_> {
    type Request = DeactivateUserRequest;
    type Response = DeactivateUserResponse;

    const SCOPE: Scope = Scope::Admin;

    async fn run(
        self,
        caller: Principal,
        request: DeactivateUserRequest,
    ) -> Result<Reply<DeactivateUserResponse>, Error> {
        let agent = self.origin.agent(caller.key);
        let key = convert::to_user_key(request.user)?;
        let user = self.database.deactivate_user(caller.tenant, agent, key).await?;
        Ok(DeactivateUserResponse { user: Some(convert::from_user(user)) }.into())
    }
}
