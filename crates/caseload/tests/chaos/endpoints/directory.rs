//! Requests of a service that feeds users and cases, made once, over gRPC.

use proto::{
    cases::v1::Case,
    directory::v1::{
        BatchUpsertCasesRequest, BatchUpsertUsersRequest, CaseKey, Change, CloseCaseRequest,
        DeactivateUserRequest, DirectoryCase, EraseUserRequest, GetCaseRequest, GetUserRequest,
        ReactivateUserRequest, UpsertCase, UpsertUser, User, UserKey, case_key,
        directory_service_client::DirectoryServiceClient, user_key,
    },
};
use tonic::Status;

use super::{Attempt, Endpoints, Failure};

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum DirectoryAction {
    UpsertUsers(Vec<UpsertUser>),
    GetUser(user_key::Key),
    Deactivate(user_key::Key),
    Reactivate(user_key::Key),
    Erase(user_key::Key),
    UpsertCases(Vec<UpsertCase>),
    GetCase(case_key::Key),
    CloseCase(case_key::Key),
}

/// A request about users or cases.
pub(crate) struct DirectoryRequest {
    pub(crate) tenant: usize,
    pub(crate) action: DirectoryAction,
}

/// What an attempt came to.
#[derive(Debug)]
pub(crate) enum DirectoryAnswer {
    /// The users, as they are now, each with what became of them.
    Users(Vec<(User, Change)>),
    User(User),
    /// The cases, as they are now, each with what became of it.
    Cases(Vec<(Case, Change)>),
    /// The case, as it is now, with the id by which it is fed.
    Case(Box<DirectoryCase>),
    /// There is no such user.
    NoUser,
}

impl Attempt for DirectoryRequest {
    type Answer = DirectoryAnswer;

    /// Goes to a server, whatever the endpoint is.
    async fn make(
        &self,
        endpoints: &Endpoints,
        endpoint: usize,
        sends_deadline: bool,
    ) -> Result<DirectoryAnswer, Failure> {
        let server = endpoint % endpoints.grpc.len();
        let call = async {
            let result = self.call(endpoints, server, sends_deadline).await;
            result.map_err(|status| Failure::of_status(&status))
        };
        match endpoints.limited(server, call).await {
            Err(failure) if failure.is("USER_NOT_FOUND") => Ok(DirectoryAnswer::NoUser),
            result => result,
        }
    }
}

impl DirectoryRequest {
    async fn call(
        &self,
        endpoints: &Endpoints,
        server: usize,
        sends_deadline: bool,
    ) -> Result<DirectoryAnswer, Status> {
        let mut client = DirectoryServiceClient::new(endpoints.server(server));
        let tenant = self.tenant;
        let user = |key| Some(UserKey { key: Some(key) });
        let case = |key| Some(CaseKey { key: Some(key) });
        let found_case = |case, external_id| {
            Ok(DirectoryAnswer::Case(Box::new(DirectoryCase { case, external_id })))
        };
        let found = match self.action.clone() {
            DirectoryAction::UpsertUsers(users) => {
                let message = BatchUpsertUsersRequest { users, validate_only: false };
                let request = endpoints.message(message, tenant, sends_deadline);
                let response = client.batch_upsert_users(request).await?.into_inner();
                let users = response.users.into_iter().map(|it| {
                    let change = it.change();
                    (it.user.unwrap_or_default(), change)
                });
                return Ok(DirectoryAnswer::Users(users.collect()));
            }
            DirectoryAction::UpsertCases(cases) => {
                let message = BatchUpsertCasesRequest { cases, validate_only: false };
                let request = endpoints.message(message, tenant, sends_deadline);
                let response = client.batch_upsert_cases(request).await?.into_inner();
                let cases = response.cases.into_iter().map(|it| {
                    let change = it.change();
                    (it.case.unwrap_or_default(), change)
                });
                return Ok(DirectoryAnswer::Cases(cases.collect()));
            }
            DirectoryAction::GetCase(key) => {
                let message = GetCaseRequest { case: case(key) };
                let request = endpoints.message(message, tenant, sends_deadline);
                let found = client.get_case(request).await?.into_inner();
                return found_case(found.case, found.external_id);
            }
            DirectoryAction::CloseCase(key) => {
                let message = CloseCaseRequest { case: case(key) };
                let request = endpoints.message(message, tenant, sends_deadline);
                let found = client.close_case(request).await?.into_inner();
                return found_case(found.case, found.external_id);
            }
            DirectoryAction::GetUser(key) => {
                let message = GetUserRequest { user: user(key) };
                let request = endpoints.message(message, tenant, sends_deadline);
                client.get_user(request).await?.into_inner().user
            }
            DirectoryAction::Deactivate(key) => {
                let message = DeactivateUserRequest { user: user(key) };
                let request = endpoints.message(message, tenant, sends_deadline);
                client.deactivate_user(request).await?.into_inner().user
            }
            DirectoryAction::Reactivate(key) => {
                let message = ReactivateUserRequest { user: user(key) };
                let request = endpoints.message(message, tenant, sends_deadline);
                client.reactivate_user(request).await?.into_inner().user
            }
            DirectoryAction::Erase(key) => {
                let message = EraseUserRequest { user: user(key) };
                let request = endpoints.message(message, tenant, sends_deadline);
                client.erase_user(request).await?.into_inner().user
            }
        };
        Ok(DirectoryAnswer::User(found.unwrap_or_default()))
    }
}
