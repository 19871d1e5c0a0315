//! Lists, read page by page. Each page is a request of its own, over gRPC or REST.

use reqwest::Method;
use serde_json::Value;
use tonic::{Request, Status, transport::Channel};

use super::{Attempt, Endpoints, Failure, rest::Reply};

/// A list that a tenant may read.
pub(crate) trait List: Sync {
    type Item: Send;

    /// The fewest items of a page that a client asks for, and the most that it gets.
    const SIZES: (usize, usize);

    /// Reads a page over gRPC. Returns its items, and the token of the next one.
    fn call(
        &self,
        caller: Caller<'_>,
        page_size: i32,
        page_token: String,
    ) -> impl Future<Output = Result<(Vec<Self::Item>, String), Status>> + Send;

    /// Returns the path of the list over REST and its query; `None` if it has none there.
    fn path(&self) -> Option<(String, String)> {
        None
    }

    /// Returns the items of a page over REST; `None` if it is none.
    fn items(_body: &[u8]) -> Option<Vec<Self::Item>> {
        None
    }
}

/// Who reads a page, and where.
pub(crate) struct Caller<'a> {
    endpoints: &'a Endpoints,
    server: usize,
    tenant: usize,
    sends_deadline: bool,
}

/// Where a page begins.
#[derive(Clone, Debug)]
pub(crate) enum Start {
    /// Over gRPC: after the page that named this token. Empty for the first page.
    Token(String),
    /// Over REST: the page with this number, from 1.
    Number(u64),
}

/// A request for a page of a list.
pub(crate) struct PageRequest<'a, L> {
    pub(crate) tenant: usize,
    pub(crate) list: &'a L,
    pub(crate) size: usize,
    pub(crate) start: Start,
}

/// A page, and where the next one begins.
pub(crate) struct Page<I> {
    pub(crate) items: Vec<I>,
    pub(crate) next: Option<Start>,
}

impl Caller<'_> {
    pub(super) fn channel(&self) -> Channel {
        self.endpoints.server(self.server)
    }

    pub(super) fn message<T>(&self, message: T) -> Request<T> {
        self.endpoints.message(message, self.tenant, self.sends_deadline)
    }
}

impl<L: List> Attempt for PageRequest<'_, L> {
    type Answer = Page<L::Item>;

    /// Goes to a server or to a gateway, as the start says, whatever the endpoint is.
    async fn make(
        &self,
        endpoints: &Endpoints,
        endpoint: usize,
        sends_deadline: bool,
    ) -> Result<Page<L::Item>, Failure> {
        match &self.start {
            Start::Token(token) => {
                let server = endpoint % endpoints.grpc.len();
                let caller = Caller { endpoints, server, tenant: self.tenant, sends_deadline };
                let call = async {
                    let page_size = i32::try_from(self.size).unwrap();
                    let page = self.list.call(caller, page_size, token.clone()).await;
                    page.map_err(|status| Failure::of_status(&status))
                };
                let (items, token) = endpoints.limited(server, call).await?;
                Ok(Page { items, next: (!token.is_empty()).then_some(Start::Token(token)) })
            }
            Start::Number(number) => {
                let gateway = endpoint % endpoints.rest.len();
                let request = self.send(endpoints, gateway, *number, sends_deadline);
                endpoints.limited(endpoints.grpc.len() + gateway, request).await
            }
        }
    }
}

impl<L: List> PageRequest<'_, L> {
    async fn send(
        &self,
        endpoints: &Endpoints,
        gateway: usize,
        number: u64,
        sends_deadline: bool,
    ) -> Result<Page<L::Item>, Failure> {
        let (path, query) = self.list.path().unwrap_or_default();
        let path = format!("{path}?{query}per_page={}&page={number}", self.size);
        let request = endpoints.request(Method::GET, gateway, &path, self.tenant, sends_deadline);
        let reply = Reply::to(request).await?;
        let next = match &reply.json()["meta"]["next_page_number"] {
            Value::Null => None,
            next => next.as_u64().map(Start::Number),
        };
        match L::items(&reply.body) {
            Some(items) => Ok(Page { items, next }),
            None => Err(Failure::Unexpected(format!("not a page: {}", reply.json()))),
        }
    }
}
