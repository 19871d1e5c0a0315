//! Requests about one case, made once, over gRPC or REST.

use proto::{
    FieldMask,
    cases::v1::{
        Case, CaseStatus, CaseUpdate, CreateCaseRequest, DeleteCaseRequest, GetCaseRequest,
        NewCase, Priority, UpdateCaseRequest, case_service_client::CaseServiceClient,
    },
};
use reqwest::Method;
use serde_json::{Value, json};
use tonic::{Status, transport::Channel};

use super::{Attempt, Endpoints, Failure, Route, rest::Reply};
use crate::{batch::Batch, random::Random, response::Response};

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum CaseAction {
    /// Create the case with these tasks; with an idempotency key.
    Create(CaseContents, Option<Batch>, String),
    /// Return the case with this id.
    Get(i64),
    /// Change the case with this id, if it has this entity tag.
    Update(i64, CaseContents, Option<String>),
    /// Delete the case with this id, if it has this entity tag.
    Delete(i64, Option<String>),
}

/// A request about a case.
pub(crate) struct CaseRequest {
    pub(crate) tenant: usize,
    pub(crate) action: CaseAction,
}

/// What a request sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CaseContents {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) priority: Priority,
    pub(crate) status: CaseStatus,
    /// 0 for none.
    pub(crate) team_id: i64,
}

/// A case as a response has it.
#[derive(Clone, Debug)]
pub(crate) struct SeenCase {
    pub(crate) id: i64,
    pub(crate) contents: CaseContents,
    pub(crate) etag: String,
    /// The tasks that were created with it, if it was created.
    pub(crate) created: Option<Response>,
}

/// What an attempt came to.
#[derive(Debug)]
pub(crate) enum CaseAnswer {
    /// The case, as it is now.
    Case(Box<SeenCase>),
    Deleted,
    /// There is no such case.
    Missing,
    /// The case has another entity tag.
    Stale,
}

impl CaseContents {
    /// Returns contents whose name begins with a text and is told from others by it.
    pub(crate) fn random(name: String, random: &mut Random) -> Self {
        let priorities = [Priority::Low, Priority::Medium, Priority::High, Priority::Critical];
        Self {
            name,
            description: "x".repeat(random.below(20)),
            priority: random.pick(&priorities),
            status: random.pick(&[CaseStatus::Open, CaseStatus::Closed]),
            team_id: 1 + i64::try_from(random.below(9)).unwrap(),
        }
    }

    pub(crate) fn of(case: &Case) -> Self {
        Self {
            name: case.name.clone(),
            description: case.description.clone(),
            priority: case.priority(),
            status: case.status(),
            team_id: case.team_id,
        }
    }

    /// Returns the contents in the form in which the database records the states of cases.
    pub(crate) fn state(&self) -> String {
        let Self { name, description, team_id, .. } = self;
        let team = if *team_id == 0 { String::new() } else { team_id.to_string() };
        format!("{name}/{description}/{}/{}/{team}", self.priority_word(), self.status_word())
    }

    fn priority_word(&self) -> &'static str {
        self.priority.as_str_name().trim_start_matches("PRIORITY_")
    }

    fn status_word(&self) -> &'static str {
        self.status.as_str_name().trim_start_matches("CASE_STATUS_")
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "priority": self.priority_word(),
            "status": self.status_word(),
            "team_id": (self.team_id != 0).then_some(self.team_id),
        })
    }
}

impl SeenCase {
    pub(super) fn of_message(case: Case) -> Self {
        let contents = CaseContents::of(&case);
        Self { id: case.id, contents, etag: case.etag, created: None }
    }

    /// Returns the case as JSON has it, which is without its entity tag; `None` if it is none.
    pub(super) fn of_json(case: &Value) -> Option<Self> {
        let word = |member: &str| case[member].as_str().unwrap_or_default();
        let contents = CaseContents {
            name: word("name").to_owned(),
            description: word("description").to_owned(),
            priority: Priority::from_str_name(&format!("PRIORITY_{}", word("priority")))?,
            status: CaseStatus::from_str_name(&format!("CASE_STATUS_{}", word("status")))?,
            team_id: case["team_id"].as_i64().unwrap_or_default(),
        };
        Some(Self { id: case["case_id"].as_i64()?, contents, etag: String::new(), created: None })
    }
}

impl Attempt for CaseRequest {
    type Answer = CaseAnswer;

    async fn make(
        &self,
        endpoints: &Endpoints,
        endpoint: usize,
        sends_deadline: bool,
    ) -> Result<CaseAnswer, Failure> {
        let attempt = async {
            match endpoints.route(endpoint) {
                Route::Grpc(channel) => {
                    let result = self.call(endpoints, channel, sends_deadline).await;
                    result.map_err(|status| Failure::of_status(&status))
                }
                Route::Rest(gateway) => self.send(endpoints, gateway, sends_deadline).await,
            }
        };
        match endpoints.limited(endpoint, attempt).await {
            Ok(Some(case)) => Ok(CaseAnswer::Case(Box::new(case))),
            Ok(None) => Ok(CaseAnswer::Deleted),
            Err(failure) if failure.is("CASE_NOT_FOUND") => Ok(CaseAnswer::Missing),
            Err(failure) if failure.is("ETAG_MISMATCH") => Ok(CaseAnswer::Stale),
            Err(failure) => Err(failure),
        }
    }
}

impl CaseRequest {
    async fn call(
        &self,
        endpoints: &Endpoints,
        channel: Channel,
        sends_deadline: bool,
    ) -> Result<Option<SeenCase>, Status> {
        let mut client = CaseServiceClient::new(channel);
        let tenant = self.tenant;
        let case = match self.action.clone() {
            CaseAction::Create(contents, tasks, request_id) => {
                let case = Some(new_case(contents, tasks.as_ref()));
                let message = CreateCaseRequest { case, request_id, validate_only: false };
                let request = endpoints.message(message, tenant, sends_deadline);
                let response = client.create_case(request).await?;
                let is_replay = response.metadata().contains_key("idempotency-replayed");
                let response = response.into_inner();
                let created = Response::from_grpc(response.tasks, is_replay);
                let case = response.case.map(SeenCase::of_message);
                return Ok(case.map(|case| SeenCase { created: Some(created), ..case }));
            }
            CaseAction::Get(case_id) => {
                let request = endpoints.message(GetCaseRequest { case_id }, tenant, sends_deadline);
                client.get_case(request).await?.into_inner().case
            }
            CaseAction::Update(id, contents, etag) => {
                let CaseContents { name, description, priority, status, team_id } = contents;
                let case = Some(CaseUpdate {
                    id,
                    name: Some(name),
                    description: Some(description),
                    priority: priority.into(),
                    status: status.into(),
                    team_id: (team_id != 0).then_some(team_id),
                    update_mask: Some(FieldMask { paths: vec!["*".to_owned()] }),
                    etag: etag.unwrap_or_default(),
                });
                let message = UpdateCaseRequest { case, validate_only: false };
                let request = endpoints.message(message, tenant, sends_deadline);
                client.update_case(request).await?.into_inner().case
            }
            CaseAction::Delete(case_id, etag) => {
                let message = DeleteCaseRequest { case_id, etag: etag.unwrap_or_default() };
                client.delete_case(endpoints.message(message, tenant, sends_deadline)).await?;
                None
            }
        };
        Ok(case.map(SeenCase::of_message))
    }

    async fn send(
        &self,
        endpoints: &Endpoints,
        gateway: usize,
        sends_deadline: bool,
    ) -> Result<Option<SeenCase>, Failure> {
        let of_case = |id: &i64| format!("cases/{id}");
        let (method, path, body, etag) = match &self.action {
            CaseAction::Create(contents, tasks, _) => {
                let mut body = contents.json();
                if let Some(batch) = tasks {
                    body["tasks"] = batch.json()["tasks"].take();
                }
                (Method::POST, "cases".to_owned(), Some(body), None)
            }
            CaseAction::Get(id) => (Method::GET, of_case(id), None, None),
            CaseAction::Update(id, contents, etag) => {
                (Method::PUT, of_case(id), Some(contents.json()), etag.as_ref())
            }
            CaseAction::Delete(id, etag) => (Method::DELETE, of_case(id), None, etag.as_ref()),
        };
        let mut request = endpoints.request(method, gateway, &path, self.tenant, sends_deadline);
        if let Some(body) = body {
            request = request.json(&body);
        }
        if let Some(etag) = etag {
            request = request.header("if-match", etag);
        }
        let CaseAction::Create(_, _, key) = &self.action else {
            let reply = Reply::to(request).await?;
            return seen_over_rest(&reply);
        };
        let reply = Reply::to(request.header("idempotency-key", key)).await?.created()?;
        let created = Response::from_rest(&reply.body, reply.is_replay).map_err(invalid)?;
        let case = seen_over_rest(&reply)?;
        Ok(case.map(|case| SeenCase { created: Some(created), ..case }))
    }
}

fn new_case(contents: CaseContents, tasks: Option<&Batch>) -> NewCase {
    let CaseContents { name, description, priority, status, team_id } = contents;
    NewCase {
        name,
        description,
        priority: priority.into(),
        status: status.into(),
        team_id: (team_id != 0).then_some(team_id),
        tasks: tasks.map(|batch| batch.message(String::new()).tasks).unwrap_or_default(),
    }
}

/// Returns the case in a response; `None` if it has no body, as that to a deletion.
fn seen_over_rest(reply: &Reply) -> Result<Option<SeenCase>, Failure> {
    if reply.body.is_empty() {
        return Ok(None);
    }
    let case = reply.json();
    let seen = SeenCase::of_json(&case).ok_or_else(|| invalid(&case))?;
    Ok(Some(SeenCase { etag: reply.etag.clone(), ..seen }))
}

fn invalid(what: impl std::fmt::Display) -> Failure {
    Failure::Unexpected(format!("an invalid response: {what}"))
}
