//! What became of a request with an idempotency key, asked once, over gRPC or REST.

use proto::tasks::v1::{
    GetIdempotencyRecordRequest, IdempotencyRecord, task_service_client::TaskServiceClient,
};
use reqwest::Method;
use tonic::{Status, transport::Channel};

use super::{Attempt, Endpoints, Failure, Route, rest::Reply};

/// A request for the record of an idempotency key.
pub(crate) struct RecordRequest {
    pub(crate) tenant: usize,
    pub(crate) idempotency_key: String,
}

impl Attempt for RecordRequest {
    /// The record without its time.
    type Answer = IdempotencyRecord;

    async fn make(
        &self,
        endpoints: &Endpoints,
        endpoint: usize,
        sends_deadline: bool,
    ) -> Result<IdempotencyRecord, Failure> {
        let attempt = async {
            match endpoints.route(endpoint) {
                Route::Grpc(channel) => {
                    let result = self.call(endpoints, channel, sends_deadline).await;
                    result.map_err(|status| Failure::of_status(&status))
                }
                Route::Rest(gateway) => self.send(endpoints, gateway, sends_deadline).await,
            }
        };
        endpoints.limited(endpoint, attempt).await
    }
}

impl RecordRequest {
    async fn call(
        &self,
        endpoints: &Endpoints,
        channel: Channel,
        sends_deadline: bool,
    ) -> Result<IdempotencyRecord, Status> {
        let mut client = TaskServiceClient::new(channel);
        let message = GetIdempotencyRecordRequest { request_id: self.idempotency_key.clone() };
        let request = endpoints.message(message, self.tenant, sends_deadline);
        let record = client.get_idempotency_record(request).await?.into_inner().record;
        Ok(IdempotencyRecord { created_at: None, ..record.unwrap_or_default() })
    }

    async fn send(
        &self,
        endpoints: &Endpoints,
        gateway: usize,
        sends_deadline: bool,
    ) -> Result<IdempotencyRecord, Failure> {
        let path = format!("idempotency-keys/{}", self.idempotency_key);
        let request = endpoints.request(Method::GET, gateway, &path, self.tenant, sends_deadline);
        let body = Reply::to(request).await?.json();
        let record = &body["idempotency_key"];
        let task_ids = record["task_ids"].as_array().into_iter().flatten();
        Ok(IdempotencyRecord {
            request_id: record["key"].as_str().unwrap_or_default().to_owned(),
            task_ids: task_ids.filter_map(serde_json::Value::as_i64).collect(),
            created_at: None,
            case_id: record["case_id"].as_i64().unwrap_or_default(),
        })
    }
}
