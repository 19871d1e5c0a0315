//! An operation of the OpenAPI document while it is put together.

use std::collections::BTreeSet;

use http::HeaderName;
use proto::wire::{self, FieldReason, Reason};
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::{
        RefOr, Required,
        content::ContentBuilder,
        path::{Parameter, ParameterBuilder, ParameterIn},
        request_body::{RequestBody, RequestBodyBuilder},
        schema::{Ref, Schema},
    },
};

use super::{example::placeholder, schema::REASONS};
use crate::problem::meaning;

/// The content type of bodies.
pub(crate) const JSON: &str = "application/json";

/// A reason with the status with which it comes.
pub(super) type StatusAndWord = (u16, &'static str);

/// What is known of an operation.
#[derive(Default)]
pub(crate) struct Draft {
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<RequestBody>,
    /// Why a request can be rejected.
    pub(super) reasons: BTreeSet<StatusAndWord>,
    /// The schemas to which others refer by their names.
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
    /// Whether the operation makes a call to the server.
    pub(super) is_call: bool,
}

impl Draft {
    /// Adds a parameter in the path.
    pub(crate) fn path<V: ToSchema>(&mut self, name: &str, description: &str) {
        self.parameter::<V>(ParameterIn::Path, name, Required::True, description);
    }

    /// Gives a parameter an example.
    pub(super) fn parameter_example(&mut self, name: &str, example: &Value) {
        for parameter in self.parameters.iter_mut().filter(|parameter| parameter.name == name) {
            let builder = ParameterBuilder::from(parameter.clone());
            *parameter = builder.example(Some(example.clone())).build();
        }
    }

    /// Adds an optional parameter of the query string.
    pub(crate) fn query<V: ToSchema>(&mut self, name: &str, description: &str) {
        self.parameter::<V>(ParameterIn::Query, name, Required::False, description);
        self.field_reason(FieldReason::DuplicateParameter);
    }

    /// Says that the query string has no other parameters.
    pub(crate) fn no_other_query(&mut self) {
        self.field_reason(FieldReason::UnknownParameter);
    }

    /// Requires a parameter that is optional elsewhere.
    pub(super) fn require(&mut self, name: &str) {
        for parameter in &mut self.parameters {
            if parameter.name == name {
                parameter.required = Required::True;
                self.reasons.insert(of_field(FieldReason::Required));
            }
        }
    }

    /// Adds an optional header.
    pub(crate) fn header<V: ToSchema>(&mut self, name: &HeaderName, description: &str) {
        let name = wire::written(name);
        self.parameter::<V>(ParameterIn::Header, &name, Required::False, description);
    }

    /// Adds the body.
    pub(crate) fn body<T: ToSchema>(&mut self) {
        for (_, schema) in self.component::<T>().to_vec() {
            self.reasons_of(&schema);
        }
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(T::name()))).build();
        let body = RequestBodyBuilder::new().content(JSON, content).required(Some(Required::True));
        self.body = Some(body.build());
        for reason in [
            FieldReason::WrongType,
            FieldReason::UnknownMember,
            FieldReason::DuplicateMember,
            FieldReason::TooMany,
        ] {
            self.field_reason(reason);
        }
    }

    /// Sets the example of the body.
    pub(super) fn body_example(&mut self, json: &str) {
        let contents = self.body.iter_mut().flat_map(|body| body.content.values_mut());
        for content in contents {
            if let RefOr::T(content) = content {
                content.example = Some(placeholder(json));
            }
        }
    }

    /// Adds a reason for which the request is rejected.
    pub(crate) fn reason(&mut self, reason: Reason) {
        self.reasons.insert((reason.http_status(), reason.as_str()));
    }

    /// Adds reasons for which the request is rejected.
    pub(crate) fn reasons(&mut self, reasons: &[Reason]) {
        for reason in reasons {
            self.reason(*reason);
        }
    }

    /// Adds a reason for which a part of the request is rejected.
    pub(crate) fn field_reason(&mut self, reason: FieldReason) {
        self.reasons.insert(of_field(reason));
    }

    /// Says that the operation makes a call to the server.
    pub(crate) fn calls_server(&mut self) {
        self.is_call = true;
    }

    /// Adds a schema, and those to which it refers. Returns them.
    pub(super) fn component<T: ToSchema>(&mut self) -> &[(String, RefOr<Schema>)] {
        let first = self.schemas.len();
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        &self.schemas[first..]
    }

    fn parameter<V: ToSchema>(
        &mut self,
        place: ParameterIn,
        name: &str,
        required: Required,
        description: &str,
    ) {
        let schema = V::schema();
        self.reasons_of(&schema);
        let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(required);
        let parameter = parameter.description(Some(description)).schema(Some(schema));
        self.parameters.push(parameter.build());
    }

    /// Adds the reasons that a schema names.
    fn reasons_of(&mut self, schema: &RefOr<Schema>) {
        let RefOr::T(schema) = schema else { return };
        let extensions = match schema {
            Schema::Object(object) => &object.extensions,
            Schema::Array(array) => &array.extensions,
            _ => &None,
        };
        let words = extensions.iter().filter_map(|extensions| extensions.get(REASONS));
        let words = words.filter_map(Value::as_array).flatten().filter_map(Value::as_str);
        self.reasons.extend(words.filter_map(|word| {
            let word = meaning::explanation(word)?.word;
            Some((Reason::parse(word).map_or(FIELD_STATUS, Reason::http_status), word))
        }));
    }
}

/// The status of problems with single fields, if they have no other one.
const FIELD_STATUS: u16 = Reason::InvalidRequest.http_status();

fn of_field(reason: FieldReason) -> StatusAndWord {
    let status = Reason::parse(reason.as_str()).map_or(FIELD_STATUS, Reason::http_status);
    (status, reason.as_str())
}
