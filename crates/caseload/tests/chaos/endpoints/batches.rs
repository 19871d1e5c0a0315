//! The creation of a batch, requested once.

use proto::tasks::v1::task_service_client::TaskServiceClient;
use reqwest::Method;
use tonic::{Status, transport::Channel};

use super::{Attempt, Endpoints, Failure, Route, rest::Reply};
use crate::{batch::Batch, response::Response};

/// A request to create a batch, with an idempotency key.
pub(crate) struct BatchRequest<'a> {
    pub(crate) batch: &'a Batch,
    pub(crate) idempotency_key: &'a str,
}

impl Attempt for BatchRequest<'_> {
    type Answer = Response;

    async fn make(
        &self,
        endpoints: &Endpoints,
        endpoint: usize,
        sends_deadline: bool,
    ) -> Result<Response, Failure> {
        let attempt = async {
            match endpoints.route(endpoint) {
                Route::Grpc(channel) => {
                    let result = self.call(endpoints, channel, sends_deadline).await;
                    result.map_err(|status| Failure::of_status(&status))
                }
                Route::Rest(gateway) => self.post(endpoints, gateway, sends_deadline).await,
            }
        };
        endpoints.limited(endpoint, attempt).await
    }
}

impl BatchRequest<'_> {
    async fn call(
        &self,
        endpoints: &Endpoints,
        channel: Channel,
        sends_deadline: bool,
    ) -> Result<Response, Status> {
        let message = self.batch.message(self.idempotency_key.to_owned());
        let request = endpoints.message(message, self.batch.tenant, sends_deadline);
        let response = TaskServiceClient::new(channel).batch_create_tasks(request).await?;
        let is_replay = response.metadata().contains_key("idempotency-replayed");
        Ok(Response::from_grpc(response.into_inner().tasks, is_replay))
    }

    async fn post(
        &self,
        endpoints: &Endpoints,
        gateway: usize,
        sends_deadline: bool,
    ) -> Result<Response, Failure> {
        let path = format!("cases/{}/tasks/batch", self.batch.case_id);
        let request = endpoints
            .request(Method::POST, gateway, &path, self.batch.tenant, sends_deadline)
            .header("idempotency-key", self.idempotency_key)
            .json(&self.batch.json());
        let reply = Reply::to(request).await?.created()?;
        Response::from_rest(&reply.body, reply.is_replay)
            .map_err(|error| Failure::Unexpected(format!("an invalid response: {error}")))
    }
}
