//! Requests about several tasks at once, made once: read over gRPC, changed over gRPC or REST.

use proto::tasks::v1::{
    BatchGetTasksRequest, BatchUpdateTasksRequest, TaskUpdate,
    task_service_client::TaskServiceClient,
};
use reqwest::Method;
use serde_json::json;
use tokio::time::timeout;
use tonic::transport::Channel;

use super::{
    ATTEMPT_TIMEOUT, Endpoints, Failure, Route,
    edit::{Seen, seen_over_grpc},
    rest::Reply,
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
}

impl Endpoints {
    /// Reads tasks once, over gRPC; `None` if that failed.
    pub(crate) async fn read_all(
        &self,
        endpoint: usize,
        (tenant, case_id): (usize, i64),
        task_ids: &[i64],
    ) -> Option<Vec<Seen>> {
        let mut client = TaskServiceClient::new(self.server(endpoint));
        let message = BatchGetTasksRequest { case_id, task_ids: task_ids.to_vec() };
        let request = self.message(message, tenant, true);
        let response = timeout(ATTEMPT_TIMEOUT, client.batch_get_tasks(request)).await.ok()?;
        Some(response.ok()?.into_inner().tasks.into_iter().map(seen_over_grpc).collect())
    }

    /// Changes tasks once, in this order.
    pub(crate) async fn change_all(
        &self,
        endpoint: usize,
        place: (usize, i64),
        changes: Vec<Change>,
    ) -> Result<Changed, Failure> {
        let attempt = async {
            match self.route(endpoint) {
                Route::Grpc(channel) => self.change_over_grpc(channel, place, changes).await,
                Route::Rest(gateway) => self.change_over_rest(gateway, place, changes).await,
            }
        };
        match self.limited(endpoint, attempt).await {
            Ok(()) => Ok(Changed::All),
            Err(failure) if failure.is("ETAG_MISMATCH") => Ok(Changed::Stale),
            Err(failure) => Err(failure),
        }
    }

    async fn change_over_grpc(
        &self,
        channel: Channel,
        (tenant, case_id): (usize, i64),
        changes: Vec<Change>,
    ) -> Result<(), Failure> {
        let update = |(id, description, etag): Change| TaskUpdate {
            id,
            description: Some(description),
            etag,
            ..Default::default()
        };
        let tasks = changes.into_iter().map(update).collect();
        let message = BatchUpdateTasksRequest { case_id, tasks, validate_only: false };
        let request = self.message(message, tenant, true);
        let result = TaskServiceClient::new(channel).batch_update_tasks(request).await;
        result.map(|_| ()).map_err(|status| Failure::of_status(&status))
    }

    async fn change_over_rest(
        &self,
        gateway: usize,
        (tenant, case_id): (usize, i64),
        changes: Vec<Change>,
    ) -> Result<(), Failure> {
        let tasks = changes.into_iter().map(
            |(id, description, etag)| json!({"id": id, "description": description, "etag": etag}),
        );
        let path = format!("cases/{case_id}/tasks/batch");
        let request = self
            .request(Method::PUT, gateway, &path, tenant, true)
            .json(&json!({"tasks": tasks.collect::<Vec<_>>()}));
        Reply::to(request).await.map(|_| ())
    }
}
