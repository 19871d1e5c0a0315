//! The users and the cases of a tenant, as a service that feeds them lists them, over gRPC.

use proto::{
    Timestamp,
    cases::v1::CaseStatus,
    directory::v1::{
        DirectoryCase, ListCasesRequest, ListUsersRequest, User,
        directory_service_client::DirectoryServiceClient,
    },
};
use tonic::Status;

use super::lists::{Caller, List};

/// The users that pass these filters; empty texts are none.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserList {
    pub(crate) email: String,
    pub(crate) external_id: String,
    pub(crate) active: Option<bool>,
}

/// The cases that were changed after a time, and are of this status, if one is given.
#[derive(Clone, Debug)]
pub(crate) struct FedCaseList {
    pub(crate) updated_after: Timestamp,
    pub(crate) status: Option<CaseStatus>,
}

impl List for UserList {
    type Item = User;

    const SIZES: (usize, usize) = (100, 500);

    async fn call(
        &self,
        caller: Caller<'_>,
        page_size: i32,
        page_token: String,
    ) -> Result<(Vec<User>, String), Status> {
        let Self { email, external_id, active } = self.clone();
        let message = ListUsersRequest { page_size, page_token, email, external_id, active };
        let mut client = DirectoryServiceClient::new(caller.channel());
        let page = client.list_users(caller.message(message)).await?.into_inner();
        Ok((page.users, page.next_page_token))
    }
}

impl List for FedCaseList {
    type Item = DirectoryCase;

    const SIZES: (usize, usize) = (20, 100);

    async fn call(
        &self,
        caller: Caller<'_>,
        page_size: i32,
        page_token: String,
    ) -> Result<(Vec<DirectoryCase>, String), Status> {
        let message = ListCasesRequest {
            page_size,
            page_token,
            status: self.status.unwrap_or_default().into(),
            updated_after: Some(self.updated_after),
        };
        let mut client = DirectoryServiceClient::new(caller.channel());
        let page = client.list_cases(caller.message(message)).await?.into_inner();
        Ok((page.cases, page.next_page_token))
    }
}
