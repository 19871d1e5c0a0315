//! Who makes calls.

use domain::{ApiKey, Scope};

use crate::support::{App, new_key};

/// A caller: an API key of a tenant.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) tenant: i64,
    pub(super) key: ApiKey,
    /// The key's name, by which the history of a task knows the caller.
    pub(super) name: String,
    /// Whether the caller may make calls of the directory.
    pub(super) is_feeder: bool,
}

impl Caller {
    /// Returns two callers of the app's tenant, the second of whom may not make calls of the directory, and
    /// one of another tenant.
    pub(super) async fn all(app: &App) -> [Self; 3] {
        let (other, ..) = app.other_tenant().await;
        let without_admin =
            [Scope::TasksRead, Scope::TasksWrite, Scope::CasesRead, Scope::CasesWrite];
        let mut callers = Vec::new();
        for (tenant, scopes) in
            [(app.tenant, &Scope::ALL[..]), (app.tenant, &without_admin), (other, &Scope::ALL)]
        {
            let key = new_key();
            let id = app.store_key(tenant, &key, scopes, None).await;
            let name = format!("key {id}");
            app.database.query(&format!("UPDATE api_keys SET name = '{name}' WHERE id = {id}"));
            let is_feeder = scopes.contains(&Scope::Admin);
            callers.push(Self { tenant: tenant.get(), key, name, is_feeder });
        }
        callers.try_into().unwrap()
    }

    /// Returns a gRPC request with the caller's key.
    pub(super) fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        let value = format!("Bearer {}", self.key.expose()).parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        request
    }
}
