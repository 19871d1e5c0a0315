//! `ListUsers`: returns a page of the users of the tenant.

use domain::{Error, Principal, Scope, UserQuery};
use proto::directory::v1::{ListUsersRequest, ListUsersResponse};
use store::Database;

use super::convert;
use crate::call::{Call, Reply};

/// One call of `ListUsers`.
pub(super) struct ListUsers<'a> {
    pub(super) database: &'a Database,
}

impl Call for ListUsers<'_> {
    type Request = ListUsersRequest;
    type Response = ListUsersResponse;

    const SCOPE: Scope = Scope::Admin;

    async fn run(
        self,
        caller: Principal,
        request: ListUsersRequest,
    ) -> Result<Reply<ListUsersResponse>, Error> {
        let query = UserQuery::parse(convert::to_user_list_draft(request));
        let query = query.map_err(Error::Invalid)?;
        let page = self.database.list_directory_users(caller.tenant, &query).await?;
        let next_page_token = page.next_page_token(&query.filter).unwrap_or_default();
        let users = page.users.into_iter().map(convert::from_user).collect();
        Ok(ListUsersResponse { users, next_page_token }.into())
    }
}
