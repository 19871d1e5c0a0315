//! Calls about cases, by the directory and by the service of cases.

use proto::{
    cases::v1::{
        CaseStatus, CaseUpdate, CreateCaseRequest, CreateCaseResponse, DeleteCaseRequest,
        DeleteCaseResponse, GetCaseRequest, GetCaseResponse, ListCasesRequest, ListCasesResponse,
        NewCase, UpdateCaseRequest, UpdateCaseResponse,
    },
    directory::v1::{
        BatchUpsertCasesRequest, BatchUpsertCasesResponse, CaseKey, CloseCaseRequest,
        CloseCaseResponse, GetCaseRequest as GetFedCaseRequest,
        GetCaseResponse as GetFedCaseResponse, ListCasesRequest as ListFedCasesRequest,
        ListCasesResponse as ListFedCasesResponse, UpsertCase, case_key,
    },
    tasks::v1::NewTask,
};

use super::attacker::Attacker;
use crate::deployment::EMAIL;

/// How many cases are fed at a time: few, so that the calls after it have their turn, too.
const FED: usize = 100;

/// How many tasks a case is created with: as many as there may be.
const TASKS: usize = 25;

/// Feeds cases, lists all, finds one and closes it.
pub(super) async fn feeding_round(attacker: &Attacker, round: usize) -> Option<()> {
    let cases = (0..FED).map(|n| UpsertCase {
        external_id: format!("x{round}-{n}"),
        name: "One of many".to_owned(),
        description: Some("x".repeat(1000)),
        status: CaseStatus::Open.into(),
        ..Default::default()
    });
    let feed = BatchUpsertCasesRequest { cases: cases.collect(), validate_only: false };
    let method = "caseload.directory.v1.DirectoryService/BatchUpsertCases";
    let _fed: BatchUpsertCasesResponse = attacker.call(method, feed).await?;
    let list = ListFedCasesRequest { page_size: 100, ..Default::default() };
    let method = "caseload.directory.v1.DirectoryService/ListCases";
    let _listed: Option<ListFedCasesResponse> = attacker.call(method, list).await;
    let case = Some(CaseKey { key: Some(case_key::Key::ExternalId(format!("x{round}-0"))) });
    let get = GetFedCaseRequest { case: case.clone() };
    let method = "caseload.directory.v1.DirectoryService/GetCase";
    let _found: Option<GetFedCaseResponse> = attacker.call(method, get).await;
    let method = "caseload.directory.v1.DirectoryService/CloseCase";
    let _closed: CloseCaseResponse = attacker.call(method, CloseCaseRequest { case }).await?;
    Some(())
}

/// Creates a case with tasks, lists all cases and counts them, changes the case and deletes it.
pub(super) async fn round(attacker: &Attacker) -> Option<()> {
    let task =
        NewTask { description: "one of many".to_owned(), assignee_emails: vec![EMAIL.to_owned()] };
    let case =
        NewCase { name: "a case".to_owned(), tasks: vec![task; TASKS], ..Default::default() };
    let create = CreateCaseRequest { case: Some(case), ..Default::default() };
    let method = "caseload.cases.v1.CaseService/CreateCase";
    let created: CreateCaseResponse = attacker.call(method, create).await?;
    let case_id = created.case?.id;
    let method = "caseload.cases.v1.CaseService/GetCase";
    let get = GetCaseRequest { case_id };
    let _found: Option<GetCaseResponse> = attacker.call(method, get).await;
    let list = ListCasesRequest { page_size: 50, count_total: true, ..Default::default() };
    let method = "caseload.cases.v1.CaseService/ListCases";
    let _listed: Option<ListCasesResponse> = attacker.call(method, list).await;
    let case = CaseUpdate { id: case_id, name: Some("changed".to_owned()), ..Default::default() };
    let update = UpdateCaseRequest { case: Some(case), validate_only: false };
    let method = "caseload.cases.v1.CaseService/UpdateCase";
    let _updated: Option<UpdateCaseResponse> = attacker.call(method, update).await;
    let delete = DeleteCaseRequest { case_id, ..Default::default() };
    let method = "caseload.cases.v1.CaseService/DeleteCase";
    let _deleted: DeleteCaseResponse = attacker.call(method, delete).await?;
    Some(())
}
