//! `GetUser`: returns one user.

use domain::{Error, Principal, Scope};
use proto::directory::v1::{GetUserRequest, GetUserResponse};
use store::Database;

use super::convert;
use crate::call::{Call, Reply};

/// One call of `GetUser`.
pub(super) struct GetUser<'a> {
    pub(super) database: &'a Database,
}

impl Call for GetUser<'_> {
    type Request = GetUserRequest;
    type Response = GetUserResponse;

    const SCOPE: Scope = Scope::Admin;

    async fn run(
        self,
        caller: Principal,
        request: GetUserRequest,
    ) -> Result<Reply<GetUserResponse>, Error> {
        let key = convert::to_user_key(request.user)?;
        let user = self.database.get_user(caller.tenant, key).await?;
        Ok(GetUserResponse { user: Some(convert::from_user(user)) }.into())
    }
}
