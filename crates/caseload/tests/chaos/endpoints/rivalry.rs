//! Requests about several tasks at once, made once: read over gRPC, changed over gRPC or REST.

use proto::tasks::v1::{BatchGetTasksRequest, BatchUpdateTasksRequest, TaskUpdate};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    ATTEMPT_TIMEOUT, Endpoints, GRANTED_SECONDS, Outcome,
    edit::{Seen, authorized, grpc_failure, seen_over_grpc},
    reason_outcome,
};

/// A change to one of several tasks: its id, its new description, and the entity tag that it must
/// have.
pub(crate) type Change = (i64, String, String);

/// What an attempt to change all of them came to.
#[derive(Debug)]
pub(crate) enum Changed {
    All,
    /// One of them has another entity tag; none was changed.
    Stale,
    Failed(Outcome),
}

impl Endpoints {
    /// Reads tasks once, over gRPC; `None` if that failed.
    pub(crate) async fn read_all(
        &self,
        endpoint: usize,
        (tenant, case_id): (usize, i64),
        task_ids: &[i64],
    ) -> Option<Vec<Seen>> {
        let mut client = self.grpc[endpoint % self.grpc.len()].clone();
        let message = BatchGetTasksRequest { case_id, task_ids: task_ids.to_vec() };
        let bearer = format!("Bearer {}", self.api_keys[tenant].expose());
        let request = authorized(message, &bearer, true);
        let response = timeout(ATTEMPT_TIMEOUT, client.batch_get_tasks(request)).await.ok()?;
        Some(response.ok()?.into_inner().tasks.into_iter().map(seen_over_grpc).collect())
    }

    /// Changes tasks once, in this order.
    pub(crate) async fn change_all(
        &self,
        endpoint: usize,
        place: (usize, i64),
        changes: Vec<Change>,
    ) -> Changed {
        let attempt = async {
            match endpoint < self.grpc.len() {
                true => self.change_over_grpc(endpoint, place, changes).await,
                false => self.change_over_rest(endpoint - self.grpc.len(), place, changes).await,
            }
        };
        let late = |_| Changed::Failed(Outcome::Unknown("no response in time".to_owned()));
        timeout(ATTEMPT_TIMEOUT, attempt).await.unwrap_or_else(late)
    }

    async fn change_over_grpc(
        &self,
        endpoint: usize,
        (tenant, case_id): (usize, i64),
        changes: Vec<Change>,
    ) -> Changed {
        let update = |(id, description, etag): Change| TaskUpdate {
            id,
            description: Some(description),
            etag,
            ..Default::default()
        };
        let tasks = changes.into_iter().map(update).collect();
        let message = BatchUpdateTasksRequest { case_id, tasks, validate_only: false };
        let bearer = format!("Bearer {}", self.api_keys[tenant].expose());
        let mut client = self.grpc[endpoint].clone();
        match client.batch_update_tasks(authorized(message, &bearer, true)).await {
            Ok(_) => Changed::All,
            Err(status) => match grpc_failure(&status) {
                super::Answer::Stale => Changed::Stale,
                super::Answer::Failed(outcome) => Changed::Failed(outcome),
                other => Changed::Failed(Outcome::Unexpected(format!("{other:?}"))),
            },
        }
    }

    async fn change_over_rest(
        &self,
        gateway: usize,
        (tenant, case_id): (usize, i64),
        changes: Vec<Change>,
    ) -> Changed {
        let tasks = changes.into_iter().map(
            |(id, description, etag)| json!({"id": id, "description": description, "etag": etag}),
        );
        let url = format!("http://{}/api/v2/cases/{case_id}/tasks/batch", self.rest[gateway]);
        let request = self
            .http
            .put(url)
            .bearer_auth(self.api_keys[tenant].expose())
            .header("request-timeout", GRANTED_SECONDS)
            .json(&json!({"tasks": tasks.collect::<Vec<_>>()}));
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                return Changed::Failed(Outcome::Refused("no connection".to_owned()));
            }
            Err(_) => return Changed::Failed(Outcome::Unknown("connection lost".to_owned())),
        };
        let status = response.status();
        let Ok(body) = response.bytes().await else {
            return Changed::Failed(Outcome::Unknown("connection lost".to_owned()));
        };
        if status.is_success() {
            return Changed::All;
        }
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let reason = body["errors"][0]["details"].as_str().unwrap_or("no reason");
        match (status, reason) {
            (StatusCode::PRECONDITION_FAILED, "ETAG_MISMATCH") => Changed::Stale,
            _ => Changed::Failed(reason_outcome(false, reason, status)),
        }
    }
}
