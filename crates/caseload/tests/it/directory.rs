//! The calls that feed the users and cases of a tenant.

mod cases;
mod concurrency;
mod deactivation;
mod erasure;
mod faults;
mod limits;
mod lists;
mod model;
mod outcomes;
mod users;

use domain::{ApiKey, Scope};
use proto::directory::v1::{
    BatchUpsertCasesRequest, BatchUpsertUsersRequest, Change, UpsertCase, UpsertUser, UpsertedCase,
    UpsertedUser, User, UserKey, directory_service_client::DirectoryServiceClient, user_key,
};
use tonic::{Status, transport::Channel};

use crate::support::App;

/// A service that feeds users and cases, with a key of the app's tenant.
struct Feeder {
    client: DirectoryServiceClient<Channel>,
    key: ApiKey,
}

impl Feeder {
    async fn new(app: &App) -> Self {
        Self::with_key(app, app.key_with(&[Scope::Admin]).await).await
    }

    async fn with_key(app: &App, key: ApiKey) -> Self {
        Self { client: DirectoryServiceClient::new(app.channel().await), key }
    }

    /// Returns a request with the key.
    fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        let value = format!("Bearer {}", self.key.expose()).parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        request
    }

    /// Upserts users. Returns what became of each.
    async fn try_feed(&mut self, users: &[UpsertUser]) -> Result<Vec<UpsertedUser>, Status> {
        let request = BatchUpsertUsersRequest { users: users.to_vec(), validate_only: false };
        let request = self.request(request);
        Ok(self.client.batch_upsert_users(request).await?.into_inner().users)
    }

    /// Upserts users, and expects that to succeed.
    async fn feed(&mut self, users: &[UpsertUser]) -> Vec<(Change, User)> {
        let fed = self.try_feed(users).await.unwrap();
        fed.into_iter().map(|user| (user.change(), user.user.unwrap())).collect()
    }

    /// Upserts cases. Returns what became of each.
    async fn try_feed_cases(&mut self, cases: &[UpsertCase]) -> Result<Vec<UpsertedCase>, Status> {
        let request = BatchUpsertCasesRequest { cases: cases.to_vec(), validate_only: false };
        let request = self.request(request);
        Ok(self.client.batch_upsert_cases(request).await?.into_inner().cases)
    }
}

/// A user to be fed, with names. An empty external id is none.
fn user(external_id: &str, email: &str, first_name: &str) -> UpsertUser {
    UpsertUser {
        external_id: external_id.to_owned(),
        email: email.to_owned(),
        first_name: Some(first_name.to_owned()),
        last_name: Some("Fed".to_owned()),
    }
}

fn by_id(user: &User) -> Option<UserKey> {
    Some(UserKey { key: Some(user_key::Key::Id(user.id.clone())) })
}

fn by_email(email: &str) -> Option<UserKey> {
    Some(UserKey { key: Some(user_key::Key::Email(email.to_owned())) })
}

fn by_external_id(id: &str) -> Option<UserKey> {
    Some(UserKey { key: Some(user_key::Key::ExternalId(id.to_owned())) })
}
