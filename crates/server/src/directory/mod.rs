//! The calls of `DirectoryService`: one file each, one line each here.

mod batch_upsert_cases;
mod batch_upsert_users;
mod close_case;
mod convert;
mod deactivate_user;
mod erase_user;
mod get_case;
mod get_user;
mod list_cases;
mod list_users;
mod reactivate_user;

use std::sync::Arc;

use proto::directory::v1::{
    BatchUpsertCasesRequest, BatchUpsertCasesResponse, BatchUpsertUsersRequest,
    BatchUpsertUsersResponse, CloseCaseRequest, CloseCaseResponse, DeactivateUserRequest,
    DeactivateUserResponse, EraseUserRequest, EraseUserResponse, GetCaseRequest, GetCaseResponse,
    GetUserRequest, GetUserResponse, ListCasesRequest, ListCasesResponse, ListUsersRequest,
    ListUsersResponse, ReactivateUserRequest, ReactivateUserResponse,
    directory_service_server::DirectoryService,
};
use store::Database;
use tonic::{Request, Response, Status};

use crate::{audit::Origin, call::CallRunner};
use batch_upsert_cases::BatchUpsertCases;
use batch_upsert_users::BatchUpsertUsers;
use close_case::CloseCase;
#[cfg(feature = "fuzzing")]
pub(crate) use convert::{
    to_case_draft, to_case_key, to_case_list_draft, to_user_draft, to_user_key, to_user_list_draft,
};
use deactivate_user::DeactivateUser;
use erase_user::EraseUser;
use get_case::GetCase;
use get_user::GetUser;
use list_cases::ListCases;
use list_users::ListUsers;
use reactivate_user::ReactivateUser;

/// The implementation of `DirectoryService`.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) runner: Arc<CallRunner>,
    pub(crate) database: Database,
}

#[tonic::async_trait]
impl DirectoryService for Directory {
    async fn batch_upsert_cases(
        &self,
        request: Request<BatchUpsertCasesRequest>,
    ) -> Result<Response<BatchUpsertCasesResponse>, Status> {
        let origin = Origin::of(request.extensions());
        let call = BatchUpsertCases { database: &self.database, origin };
        self.runner.run(call, request).await
    }

    async fn batch_upsert_users(
        &self,
        request: Request<BatchUpsertUsersRequest>,
    ) -> Result<Response<BatchUpsertUsersResponse>, Status> {
        let origin = Origin::of(request.extensions());
        let call = BatchUpsertUsers { database: &self.database, origin };
        self.runner.run(call, request).await
    }

    async fn close_case(
        &self,
        request: Request<CloseCaseRequest>,
    ) -> Result<Response<CloseCaseResponse>, Status> {
        let origin = Origin::of(request.extensions());
        self.runner.run(CloseCase { database: &self.database, origin }, request).await
    }

    async fn deactivate_user(
        &self,
        request: Request<DeactivateUserRequest>,
    ) -> Result<Response<DeactivateUserResponse>, Status> {
        let origin = Origin::of(request.extensions());
        self.runner.run(DeactivateUser { database: &self.database, origin }, request).await
    }

    async fn erase_user(
        &self,
        request: Request<EraseUserRequest>,
    ) -> Result<Response<EraseUserResponse>, Status> {
        let origin = Origin::of(request.extensions());
        self.runner.run(EraseUser { database: &self.database, origin }, request).await
    }

    async fn get_case(
        &self,
        request: Request<GetCaseRequest>,
    ) -> Result<Response<GetCaseResponse>, Status> {
        self.runner.run(GetCase { database: &self.database }, request).await
    }

    async fn get_user(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<GetUserResponse>, Status> {
        self.runner.run(GetUser { database: &self.database }, request).await
    }

    async fn list_cases(
        &self,
        request: Request<ListCasesRequest>,
    ) -> Result<Response<ListCasesResponse>, Status> {
        self.runner.run(ListCases { database: &self.database }, request).await
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        self.runner.run(ListUsers { database: &self.database }, request).await
    }

    async fn reactivate_user(
        &self,
        request: Request<ReactivateUserRequest>,
    ) -> Result<Response<ReactivateUserResponse>, Status> {
        let origin = Origin::of(request.extensions());
        self.runner.run(ReactivateUser { database: &self.database, origin }, request).await
    }
}
