//! Messages between protobuf and JSON, by the contract that reflection shows.

use std::collections::HashMap;

use bytes::Bytes;
use prost_reflect::{
    DescriptorError, DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor,
};
use proto::{Message as _, wire::Reason};
use serde_json::error::Category;
use tonic::Status;

use crate::status;

/// Translates the messages of every call of the contract, and the details of statuses, as protobuf's JSON
/// mapping has it.
#[derive(Debug)]
pub(crate) struct Schemas {
    /// The request and the response of each method, by its path.
    methods: HashMap<String, (MessageDescriptor, MessageDescriptor)>,
    details: DescriptorPool,
}

impl Schemas {
    /// Reads the contract.
    ///
    /// # Errors
    /// The contract is malformed.
    pub(crate) fn new() -> Result<Self, DescriptorError> {
        let mut methods = HashMap::new();
        for service in DescriptorPool::decode(proto::DESCRIPTOR_SET)?.services() {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                methods.insert(path, (method.input(), method.output()));
            }
        }
        let details = DescriptorPool::decode(tonic_types::pb::FILE_DESCRIPTOR_SET)?;
        Ok(Self { methods, details })
    }

    /// Returns the encoded request of the method with this path.
    ///
    /// # Errors
    /// INVALID_ARGUMENT, with the place in the JSON text.
    pub(super) fn request_of_json(&self, path: &str, json: &[u8]) -> Result<Vec<u8>, Status> {
        let (request, _) = self.methods.get(path).ok_or_else(not_in_contract)?;
        let mut text = serde_json::Deserializer::from_slice(json);
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&mut text, &mut track);
        let options = DeserializeOptions::new().deny_unknown_fields(true);
        let message = DynamicMessage::deserialize_with_options(request.clone(), tracked, &options)
            .map_err(|error| malformed(&error, &track.path().to_string()))?;
        text.end().map_err(|error| malformed(&error, ""))?;
        Ok(message.encode_to_vec())
    }

    /// Returns the JSON text of an encoded response of the method with this path.
    ///
    /// # Errors
    /// INTERNAL: the server has made a message that has no JSON text.
    pub(super) fn json_of_response(&self, path: &str, message: Bytes) -> Result<Vec<u8>, Status> {
        let (_, response) = self.methods.get(path).ok_or_else(not_in_contract)?;
        let message = DynamicMessage::decode(response.clone(), message);
        message
            .map_err(|error| unwritable(&error))
            .and_then(|message| serde_json::to_vec(&message).map_err(|error| unwritable(&error)))
    }

    /// Returns a detail of a status; `None` if its type is not one of google.rpc.
    pub(super) fn detail(&self, type_name: &str, value: Bytes) -> Option<DynamicMessage> {
        let detail = self.details.get_message_by_name(type_name)?;
        DynamicMessage::decode(detail, value).ok()
    }
}

/// The status of a message that is no JSON, or not of its type.
fn malformed(error: &serde_json::Error, path: &str) -> Status {
    let reason = match error.classify() {
        Category::Data => Reason::MessageMalformed,
        Category::Syntax | Category::Eof | Category::Io => Reason::InvalidJson,
    };
    // The paths of the whole, and of what is not known.
    match path {
        "" | "." | "?" => status::with_reason(reason, &error.to_string()),
        path => status::with_reason(reason, &format!("{path}: {error}")),
    }
}

fn unwritable(error: &dyn std::error::Error) -> Status {
    tracing::error!(%error, "failed to write a response as JSON");
    status::with_reason(Reason::Internal, "internal error")
}

fn not_in_contract() -> Status {
    status::with_reason(Reason::NotSupported, "the method does not exist")
}

#[cfg(test)]
mod tests {
    use proto::{cases::v1::CreateCaseRequest, tasks::v1::BatchCreateTasksRequest};

    use super::*;

    #[test]
    fn of_a_member_that_is_there_twice_the_last_one_counts_unless_it_is_optional() {
        let schemas = Schemas::new().unwrap();
        let path = "/caseload.tasks.v1.TaskService/BatchCreateTasks";
        let message = schemas.request_of_json(path, br#"{"caseId": "1", "case_id": "2"}"#);
        let message = BatchCreateTasksRequest::decode(&message.unwrap()[..]).unwrap();
        assert_eq!(message.case_id, 2);

        let path = "/caseload.cases.v1.CaseService/CreateCase";
        let message = schemas.request_of_json(path, br#"{"case": {"teamId": "1"}}"#).unwrap();
        let message = CreateCaseRequest::decode(&message[..]).unwrap();
        assert_eq!(message.case.unwrap().team_id, Some(1));
        let twice = schemas.request_of_json(path, br#"{"case": {"teamId": "1", "teamId": "2"}}"#);
        assert_eq!(twice.unwrap_err().code(), tonic::Code::InvalidArgument);
    }
}
