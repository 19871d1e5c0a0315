//! The calls of `CaseService`: one file each, one line each here.

mod convert;
mod create;
mod delete;
mod get;
mod list;
mod update;

use std::sync::Arc;

use proto::cases::v1::{
    CreateCaseRequest, CreateCaseResponse, DeleteCaseRequest, DeleteCaseResponse, GetCaseRequest,
    GetCaseResponse, ListCasesRequest, ListCasesResponse, UpdateCaseRequest, UpdateCaseResponse,
    case_service_server::CaseService,
};
use store::Database;
use tonic::{Request, Response, Status};

use crate::{audit::Origin, call::CallRunner};
pub(crate) use convert::{from_case, from_values, to_priority, to_status};
#[cfg(feature = "fuzzing")]
pub(crate) use convert::{to_list_draft, to_new_case, to_update_draft};
use create::Create;
use delete::Delete;
use get::Get;
use list::List;
use update::Update;

/// The implementation of `CaseService`.
#[derive(Debug)]
pub(crate) struct Cases {
    pub(crate) runner: Arc<CallRunner>,
    pub(crate) database: Database,
}

#[tonic::async_trait]
impl CaseService for Cases {
    async fn create_case(
        &self,
        request: Request<CreateCaseRequest>,
    ) -> Result<Response<CreateCaseResponse>, Status> {
        let origin = Origin::of(request.extensions());
        self.runner.run(Create { database: &self.database, origin }, request).await
    }

    async fn delete_case(
        &self,
        request: Request<DeleteCaseRequest>,
    ) -> Result<Response<DeleteCaseResponse>, Status> {
        let origin = Origin::of(request.extensions());
        self.runner.run(Delete { database: &self.database, origin }, request).await
    }

    async fn get_case(
        &self,
        request: Request<GetCaseRequest>,
    ) -> Result<Response<GetCaseResponse>, Status> {
        self.runner.run(Get { database: &self.database }, request).await
    }

    async fn list_cases(
        &self,
        request: Request<ListCasesRequest>,
    ) -> Result<Response<ListCasesResponse>, Status> {
        self.runner.run(List { database: &self.database }, request).await
    }

    async fn update_case(
        &self,
        request: Request<UpdateCaseRequest>,
    ) -> Result<Response<UpdateCaseResponse>, Status> {
        let origin = Origin::of(request.extensions());
        self.runner.run(Update { database: &self.database, origin }, request).await
    }
}
