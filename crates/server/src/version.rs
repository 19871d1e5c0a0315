//! The version of the program, as gRPC's reflection tells it.

use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};

/// Returns a file that reflection shows beside the contract: a message whose only field has the version as
/// its default. No call has that message, so it is in no contract.
pub(crate) fn described() -> FileDescriptorSet {
    let version = FieldDescriptorProto {
        name: Some("version".to_owned()),
        number: Some(1),
        label: Some(Label::Optional.into()),
        r#type: Some(Type::String.into()),
        default_value: Some(env!("CARGO_PKG_VERSION").to_owned()),
        json_name: Some("version".to_owned()),
        ..FieldDescriptorProto::default()
    };
    let message = DescriptorProto {
        name: Some("Program".to_owned()),
        field: vec![version],
        ..DescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("caseload/program.proto".to_owned()),
        package: Some("caseload".to_owned()),
        message_type: vec![message],
        // Only this syntax has defaults.
        syntax: Some("proto2".to_owned()),
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }
}
