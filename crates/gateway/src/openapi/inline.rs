//! Puts the schemas of single values where they are referred to: a document in which each member of a
//! type says its limits is easier to read, and generators make fewer types of it.

use std::collections::BTreeMap;

use utoipa::openapi::{
    RefOr,
    schema::{ArrayItems, Schema, SchemaType, Type},
};

/// Schemas by their names.
pub(super) type Schemas = BTreeMap<String, RefOr<Schema>>;

/// Divides schemas into those of objects and choices, which keep their names, and those of values,
/// which are put where they are referred to.
pub(super) fn divide(schemas: Schemas) -> (Schemas, Schemas) {
    schemas.into_iter().partition(|(_, schema)| !is_value(schema))
}

fn is_value(schema: &RefOr<Schema>) -> bool {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            let is_choice = object.enum_values.as_ref().is_some_and(|values| values.len() > 1);
            object.schema_type != SchemaType::new(Type::Object) && !is_choice
        }
        RefOr::T(Schema::Array(_)) => true,
        _ => false,
    }
}

/// Replaces the references to values in a schema.
pub(super) fn inline(schema: &mut RefOr<Schema>, values: &Schemas) {
    match schema {
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
            let Some(value) = values.get(name) else { return };
            let mut value = value.clone();
            describe(&mut value, &reference.description);
            inline(&mut value, values);
            *schema = value;
        }
        RefOr::T(Schema::Object(object)) => {
            for property in object.properties.values_mut() {
                inline(property, values);
            }
        }
        RefOr::T(Schema::Array(array)) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                inline(items, values);
            }
        }
        RefOr::T(Schema::AllOf(all)) => {
            for item in &mut all.items {
                inline(item, values);
            }
        }
        RefOr::T(Schema::OneOf(one)) => {
            for item in &mut one.items {
                inline(item, values);
            }
            if let Some(value) = nullable(&one.items) {
                *schema = value;
            }
        }
        RefOr::T(_) => {}
    }
}

/// Returns the value that a choice of a value and null stands for.
fn nullable(items: &[RefOr<Schema>]) -> Option<RefOr<Schema>> {
    let is_null = |schema: &RefOr<Schema>| {
        matches!(schema, RefOr::T(Schema::Object(object))
            if object.schema_type == SchemaType::new(Type::Null))
    };
    let [first, second] = items else { return None };
    let value = match (is_null(first), is_null(second)) {
        (false, true) => first,
        (true, false) => second,
        _ => return None,
    };
    let RefOr::T(value) = value else { return None };
    let mut value = value.clone();
    let schema_type = match &mut value {
        Schema::Object(object) => &mut object.schema_type,
        Schema::Array(array) => &mut array.schema_type,
        _ => return None,
    };
    let SchemaType::Type(of_value) = schema_type else { return None };
    *schema_type = SchemaType::from_iter([of_value.clone(), Type::Null]);
    Some(RefOr::T(value))
}

/// Sets the description, unless it is empty.
fn describe(schema: &mut RefOr<Schema>, text: &str) {
    let RefOr::T(schema) = schema else { return };
    let description = match schema {
        Schema::Object(object) => &mut object.description,
        Schema::Array(array) => &mut array.description,
        _ => return,
    };
    if !text.is_empty() {
        *description = Some(text.to_owned());
    }
}
