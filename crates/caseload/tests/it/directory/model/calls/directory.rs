//! Calls of the directory.

use proto::directory::v1::{
    self, BatchUpsertCasesRequest, BatchUpsertUsersRequest, CaseKey, Change, CloseCaseRequest,
    DeactivateUserRequest, EraseUserRequest, GetCaseRequest, GetUserRequest, ListCasesRequest,
    ListUsersRequest, ReactivateUserRequest, UpsertCase, UpsertUser, UserKey, case_key,
    directory_service_client::DirectoryServiceClient, user_key,
};
use tonic::Status;

use super::convert::{case, priority, status};
use crate::{
    directory::model::{
        caller::Caller,
        operation::{Action, CaseEntry, CaseName, Request, UserEntry, UserName},
        state::{Outcome, User},
    },
    support::App,
};

pub(super) async fn send(app: &App, caller: &Caller, request: &Request) -> Result<Outcome, Status> {
    let mut client = DirectoryServiceClient::new(app.channel().await);
    let outcome = match &request.operation.action {
        Action::UpsertUsers { users, is_trial } => {
            let (users, validate_only) = (users.iter().map(to_user).collect(), *is_trial);
            let message = caller.request(BatchUpsertUsersRequest { users, validate_only });
            let users = client.batch_upsert_users(message).await?.into_inner().users.into_iter();
            let users = users.map(|fed| (change(fed.change()), from_user(fed.user)));
            Outcome::Users(users.collect())
        }
        Action::GetUser(name) => {
            let message = caller.request(GetUserRequest { user: user_key(request, *name) });
            one_user(client.get_user(message).await?.into_inner().user)
        }
        Action::ListUsers { active, email } => {
            let (mut users, mut page_token) = (Vec::new(), String::new());
            loop {
                let page = caller.request(ListUsersRequest {
                    page_size: 2,
                    page_token,
                    email: email.unwrap_or_default().to_owned(),
                    active: *active,
                    ..ListUsersRequest::default()
                });
                let page = client.list_users(page).await?.into_inner();
                users.extend(page.users.into_iter().map(|user| (None, from_user(Some(user)))));
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break Outcome::Users(users);
                }
            }
        }
        Action::Deactivate(name) => {
            let message = caller.request(DeactivateUserRequest { user: user_key(request, *name) });
            one_user(client.deactivate_user(message).await?.into_inner().user)
        }
        Action::Reactivate(name) => {
            let message = caller.request(ReactivateUserRequest { user: user_key(request, *name) });
            one_user(client.reactivate_user(message).await?.into_inner().user)
        }
        Action::Erase(name) => {
            let message = caller.request(EraseUserRequest { user: user_key(request, *name) });
            one_user(client.erase_user(message).await?.into_inner().user)
        }
        Action::UpsertCases { cases, is_trial } => {
            let (cases, validate_only) = (cases.iter().map(to_case).collect(), *is_trial);
            let message = caller.request(BatchUpsertCasesRequest { cases, validate_only });
            let cases = client.batch_upsert_cases(message).await?.into_inner().cases.into_iter();
            let cases = cases.map(|fed| {
                let change = change(fed.change());
                (change, case(fed.case.unwrap(), Some(fed.external_id)))
            });
            Outcome::Cases(cases.collect())
        }
        Action::FindCase(name) => {
            let message = caller.request(GetCaseRequest { case: case_key(request, *name) });
            let found = client.get_case(message).await?.into_inner();
            Outcome::Cases(vec![(None, case(found.case.unwrap(), Some(found.external_id)))])
        }
        Action::ListCases { status: of_status } => {
            let (mut cases, mut page_token) = (Vec::new(), String::new());
            loop {
                let page = caller.request(ListCasesRequest {
                    page_size: 2,
                    page_token,
                    status: status(*of_status),
                    updated_after: None,
                });
                let page = client.list_cases(page).await?.into_inner();
                cases.extend(
                    page.cases
                        .into_iter()
                        .map(|fed| (None, case(fed.case.unwrap(), Some(fed.external_id)))),
                );
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break Outcome::Cases(cases);
                }
            }
        }
        Action::CloseCase(name) => {
            let message = caller.request(CloseCaseRequest { case: case_key(request, *name) });
            let closed = client.close_case(message).await?.into_inner();
            Outcome::Cases(vec![(None, case(closed.case.unwrap(), Some(closed.external_id)))])
        }
        action => unreachable!("{action:?} is not of the directory"),
    };
    Ok(outcome)
}

fn to_user(entry: &UserEntry) -> UpsertUser {
    UpsertUser {
        external_id: entry.external_id.to_owned(),
        email: entry.email.to_owned(),
        first_name: entry.first_name.map(str::to_owned),
        last_name: entry.last_name.map(str::to_owned),
    }
}

fn to_case(entry: &CaseEntry) -> UpsertCase {
    UpsertCase {
        external_id: entry.external_id.to_owned(),
        name: entry.name.to_owned(),
        description: entry.description.map(str::to_owned),
        priority: priority(entry.priority),
        status: status(entry.status),
        team_id: entry.team_id,
    }
}

fn user_key(request: &Request, name: UserName) -> Option<UserKey> {
    let key = match name {
        UserName::Id => user_key::Key::Id(request.user.to_string()),
        UserName::Email(email) => user_key::Key::Email(request.email(email)),
        UserName::ExternalId(id) => user_key::Key::ExternalId(id.to_owned()),
    };
    Some(UserKey { key: Some(key) })
}

fn case_key(request: &Request, name: CaseName) -> Option<CaseKey> {
    let key = match name {
        CaseName::Id => case_key::Key::Id(request.case),
        CaseName::ExternalId(id) => case_key::Key::ExternalId(id.to_owned()),
    };
    Some(CaseKey { key: Some(key) })
}

fn one_user(user: Option<v1::User>) -> Outcome {
    Outcome::Users(vec![(None, from_user(user))])
}

fn from_user(user: Option<v1::User>) -> User {
    let user = user.expect("each response has its user");
    User {
        id: (!user.id.is_empty()).then(|| user.id.parse().unwrap()),
        external_id: user.external_id,
        email: user.email,
        first_name: user.first_name,
        last_name: user.last_name,
        is_active: user.deactivated_at.is_none(),
        is_erased: user.erased_at.is_some(),
    }
}

fn change(change: Change) -> Option<&'static str> {
    match change {
        Change::Unspecified => None,
        Change::Created => Some("Created"),
        Change::Updated => Some("Updated"),
        Change::Unchanged => Some("Unchanged"),
    }
}
