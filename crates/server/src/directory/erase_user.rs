//! `EraseUser`: erases the name and the email of a user.

use domain::{Error, Principal, Scope};
use proto::directory::v1::{EraseUserRequest, EraseUserResponse};
use store::Database;

use super::convert;
use crate::{
    audit::Origin,
    call::{Call, Reply},
};

/// One call of `EraseUser`.
pub(super) struct EraseUser<'a> {
    pub(super) database: &'a Database,
    pub(super) origin: Origin,
}

impl Call for EraseUser<'_> {
    type Request = EraseUserRequest;
    type Response = EraseUserResponse;

    const SCOPE: Scope = Scope::Admin;

    async fn run(
        self,
        caller: Principal,
        request: EraseUserRequest,
    ) -> Result<Reply<EraseUserResponse>, Error> {
        let agent = self.origin.agent(caller.key);
        let key = convert::to_user_key(request.user)?;
        let user = self.database.erase_user(caller.tenant, agent, key).await?;
        Ok(EraseUserResponse { user: Some(convert::from_user(user)) }.into())
    }
}
