//! Lines that are users.

use proto::directory::v1::{BatchUpsertUsersRequest, Change, UpsertUser};
use serde::Deserialize;

use super::{
    directory_service::directory_service,
    fields::Fields,
    kind::{Column, Kind, optional, required},
    ndjson::JsonLine,
    upsert::Upsert,
};
use crate::client::{connection::Client, error::CallError};

/// Lines that are users to be created or changed.
pub(super) struct Users;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserObject {
    external_id: Option<String>,
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
}

impl Kind for Users {
    type Item = UpsertUser;

    const COLUMNS: &'static [Column] = &[
        required("email"),
        optional("external_id"),
        optional("first_name"),
        optional("last_name"),
    ];
    const BATCH: usize = 500;
    const LIST: &'static str = "users";

    fn read_fields(fields: &mut Fields) -> Result<UpsertUser, String> {
        Ok(UpsertUser {
            external_id: fields.take("external_id").unwrap_or_default(),
            email: fields.take("email").unwrap_or_default(),
            first_name: fields.take("first_name"),
            last_name: fields.take("last_name"),
        })
    }

    fn read_json(line: &JsonLine) -> Result<UpsertUser, String> {
        let UserObject { external_id, email, first_name, last_name } = line.parse()?;
        Ok(UpsertUser {
            external_id: external_id.unwrap_or_default(),
            email: email.unwrap_or_default(),
            first_name,
            last_name,
        })
    }

    fn text<'a>(user: &'a UpsertUser, field: &str) -> Option<&'a str> {
        (field == "email").then_some(user.email.as_str())
    }
}

impl Upsert for Users {
    async fn upsert(
        client: &Client,
        users: Vec<UpsertUser>,
        validate_only: bool,
    ) -> Result<Vec<Change>, CallError> {
        let request = BatchUpsertUsersRequest { users, validate_only };
        let reply =
            client.call(Self::repeat(validate_only), request, |channel, request| async move {
                directory_service(channel).batch_upsert_users(request).await
            });
        Ok(reply.await?.message.users.iter().map(|user| user.change()).collect())
    }
}
