//! Calls about users.

use proto::directory::v1::{
    BatchUpsertUsersRequest, BatchUpsertUsersResponse, DeactivateUserRequest,
    DeactivateUserResponse, EraseUserRequest, EraseUserResponse, GetUserRequest, GetUserResponse,
    ListUsersRequest, ListUsersResponse, ReactivateUserRequest, ReactivateUserResponse, UpsertUser,
    UserKey, user_key,
};

use super::attacker::Attacker;

/// How many users are fed at a time: few, so that the calls after it have their turn, too.
const USERS: usize = 100;

/// Feeds users, lists all, and leads one of them through their life.
pub(super) async fn round(attacker: &Attacker, round: usize) -> Option<()> {
    let users = (0..USERS).map(|n| UpsertUser {
        external_id: format!("x{round}-{n}"),
        email: format!("x{round}-{n}@example.com"),
        first_name: Some("One".to_owned()),
        last_name: Some("Of Many".to_owned()),
    });
    let feed = BatchUpsertUsersRequest { users: users.collect(), validate_only: false };
    let method = "caseload.directory.v1.DirectoryService/BatchUpsertUsers";
    let fed: BatchUpsertUsersResponse = attacker.call(method, feed).await?;
    let list = ListUsersRequest { page_size: 500, ..Default::default() };
    let method = "caseload.directory.v1.DirectoryService/ListUsers";
    let _listed: Option<ListUsersResponse> = attacker.call(method, list).await;
    let first = fed.users.into_iter().next()?.user?;
    let user = Some(UserKey { key: Some(user_key::Key::Id(first.id)) });
    let get = GetUserRequest { user: user.clone() };
    let method = "caseload.directory.v1.DirectoryService/GetUser";
    let _found: Option<GetUserResponse> = attacker.call(method, get).await;
    let deactivate = DeactivateUserRequest { user: user.clone() };
    let method = "caseload.directory.v1.DirectoryService/DeactivateUser";
    let _deactivated: Option<DeactivateUserResponse> = attacker.call(method, deactivate).await;
    let reactivate = ReactivateUserRequest { user: user.clone() };
    let method = "caseload.directory.v1.DirectoryService/ReactivateUser";
    let _reactivated: Option<ReactivateUserResponse> = attacker.call(method, reactivate).await;
    let method = "caseload.directory.v1.DirectoryService/EraseUser";
    let _erased: EraseUserResponse = attacker.call(method, EraseUserRequest { user }).await?;
    Some(())
}
