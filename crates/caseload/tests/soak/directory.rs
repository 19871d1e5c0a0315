//! Calls of the directory, over gRPC.

use domain::ApiKey;
use proto::directory::v1::{
    BatchUpsertCasesRequest, BatchUpsertUsersRequest, CaseKey, CloseCaseRequest,
    DeactivateUserRequest, EraseUserRequest, GetCaseRequest, GetUserRequest, ListCasesRequest,
    ListUsersRequest, ReactivateUserRequest, UpsertCase, UpsertUser, UserKey, case_key,
    directory_service_client::DirectoryServiceClient, user_key,
};
use tonic::{Status, transport::Channel};

use crate::{
    call::{Answer, Call},
    request::request,
};

/// The size of a page.
const PAGE: i32 = 20;

/// Makes a call.
pub(crate) async fn send(call: &Call, channel: Channel, key: &ApiKey) -> Result<Answer, Status> {
    let mut client = DirectoryServiceClient::new(channel);
    let validate_only = false;
    match call {
        Call::BatchUpsertUsers(people) => {
            let users = people.iter().map(|person| upsert_user(*person)).collect();
            let message = BatchUpsertUsersRequest { users, validate_only };
            client.batch_upsert_users(request(message, key)).await?;
        }
        Call::GetUser(person) => {
            let message = GetUserRequest { user: user(*person) };
            client.get_user(request(message, key)).await?;
        }
        Call::ListUsers => {
            let message = ListUsersRequest { page_size: PAGE, ..Default::default() };
            client.list_users(request(message, key)).await?;
        }
        Call::DeactivateUser(person) => {
            let message = DeactivateUserRequest { user: user(*person) };
            client.deactivate_user(request(message, key)).await?;
        }
        Call::ReactivateUser(person) => {
            let message = ReactivateUserRequest { user: user(*person) };
            client.reactivate_user(request(message, key)).await?;
        }
        Call::EraseUser(person) => {
            let message = EraseUserRequest { user: user(*person) };
            client.erase_user(request(message, key)).await?;
        }
        Call::BatchUpsertCases(cases) => {
            let cases = cases.iter().map(|case| upsert_case(*case)).collect();
            let message = BatchUpsertCasesRequest { cases, validate_only };
            client.batch_upsert_cases(request(message, key)).await?;
        }
        Call::GetFedCase(number) => {
            let message = GetCaseRequest { case: case(*number) };
            client.get_case(request(message, key)).await?;
        }
        Call::ListFedCases => {
            let message = ListCasesRequest { page_size: PAGE, ..Default::default() };
            client.list_cases(request(message, key)).await?;
        }
        Call::CloseCase(number) => {
            let message = CloseCaseRequest { case: case(*number) };
            client.close_case(request(message, key)).await?;
        }
        other => unreachable!("{other:?} is no call of the directory"),
    }
    Ok(Answer::default())
}

fn user(person: usize) -> Option<UserKey> {
    Some(UserKey { key: Some(user_key::Key::ExternalId(format!("person-{person}"))) })
}

fn case(number: usize) -> Option<CaseKey> {
    Some(CaseKey { key: Some(case_key::Key::ExternalId(format!("case-{number}"))) })
}

fn upsert_user(person: usize) -> UpsertUser {
    UpsertUser {
        external_id: format!("person-{person}"),
        email: format!("person{person}@example.com"),
        first_name: Some("Jane".to_owned()),
        last_name: Some(format!("Doe {person}")),
    }
}

fn upsert_case(number: usize) -> UpsertCase {
    UpsertCase {
        external_id: format!("case-{number}"),
        name: format!("Fed case {number}"),
        ..Default::default()
    }
}
