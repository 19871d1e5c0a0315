//! Look-ups and lists of API keys.

use diesel::prelude::*;
use domain::{KeyDigest, TenantId};

use super::record::{ApiKeyRecord, Row};
use crate::{database::Database, error::Error, schema::api_keys};

impl Database {
    /// Returns the key with this digest, valid or not; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn find_api_key(&self, digest: KeyDigest) -> Result<Option<ApiKeyRecord>, Error> {
        self.read("find_api_key", move |connection| {
            api_keys::table
                .filter(api_keys::digest.eq(digest.as_bytes().as_slice()))
                .select(Row::as_select())
                .first(connection)
                .optional()?
                .map(TryInto::try_into)
                .transpose()
        })
        .await
    }

    /// Returns a tenant's keys, in the order of their ids.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list_api_keys(&self, tenant: TenantId) -> Result<Vec<ApiKeyRecord>, Error> {
        self.read("list_api_keys", move |connection| {
            let rows: Vec<Row> = api_keys::table
                .filter(api_keys::tenant_id.eq(tenant.get()))
                .order(api_keys::id)
                .select(Row::as_select())
                .load(connection)?;
            rows.into_iter().map(TryInto::try_into).collect()
        })
        .await
    }
}
