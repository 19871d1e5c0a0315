//! The documented JSON.
//!
//! These types are the gateway's own, since protobuf's JSON mapping writes an int64 as a string
//! and the documented API writes a number.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// The body of a request to create tasks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateTasks {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) tasks: Vec<Object<NewTask>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTask {
    /// Left out, it is as good as empty: the server asks for it, in its place.
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) description: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) assignee_emails: Vec<String>,
}

impl CreateTasks {
    /// The memory that its lists take beside the texts, in bytes: with many items of next to nothing
    /// it is more than ten times that of the JSON.
    pub(crate) fn size_of_slots(&self) -> usize {
        let emails = self.tasks.iter().map(|task| task.0.assignee_emails.capacity());
        self.tasks.capacity() * size_of::<NewTask>() + emails.sum::<usize>() * size_of::<String>()
    }
}

/// The body of the answer.
#[derive(Debug, Serialize)]
pub(crate) struct CreatedTasks {
    pub(crate) tasks: Vec<Task>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Task {
    pub(crate) id: i64,
    pub(crate) description: String,
    pub(crate) completed: bool,
    pub(crate) assignees: Vec<Assignee>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Assignee {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
}

/// A value that is written as a JSON object, and in no other way. By itself, serde also reads a
/// struct from an array of its members.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// The documented API doesn't tell a member that is null from one that isn't there.
fn null_as_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
