//! On which hosts keys are accepted.

use std::net::SocketAddr;

use domain::{ApiKey, Scope, TenantId};
use http::HeaderMap;
use reqwest::Method;
use tonic::Code;

use super::INVALID;
use crate::support::{
    API_CALLS, App, CreateCall, Kind, Target, code_and_reasons, new_key, polling::eventually,
    raw_grpc,
};

/// Two tenants, of which both have a host.
struct Hosts {
    app: App,
    other: TenantId,
    other_key: ApiKey,
}

impl Hosts {
    async fn start(server_args: &[&'static str]) -> Self {
        let app = App::builder().server_args(server_args).start().await;
        let (other, other_case, other_key) = app.other_tenant().await;
        assert_ne!(other_case, app.case_id);
        let hosts = Self { app, other, other_key };
        hosts.add(hosts.app.tenant, "ours.example").await;
        hosts.add(hosts.other, "theirs.example").await;
        // Each server reads the hosts at once, so both are known then.
        hosts.await_result("theirs.example", &hosts.app.key, INVALID).await;
        hosts
    }

    async fn add(&self, tenant: TenantId, host: &str) {
        self.app.admin.add_tenant_hosts(tenant, vec![host.parse().unwrap()]).await.unwrap();
    }

    /// Returns the result of a call with this key to an authority, which must be the same over REST and gRPC.
    async fn result(&self, authority: &str, key: &ApiKey) -> String {
        let [rest, grpc] = self.results(authority, key).await;
        assert_eq!(rest, grpc, "{authority}");
        rest
    }

    /// Returns the results over REST and over gRPC, between which hosts may be changed.
    async fn results(&self, authority: &str, key: &ApiKey) -> [String; 2] {
        let target = Target::of_case(self.app.case_id);
        let of_kind = |is_rest| {
            let mut calls = API_CALLS.iter().filter(|call| matches!(call.kind, Kind::Create));
            calls.find(|call| call.name.contains(' ') == is_rest).unwrap()
        };
        let rest = of_kind(true).result_on(&self.app, authority, Some(key), &target).await;
        let grpc = of_kind(false).result_on(&self.app, authority, Some(key), &target).await;
        [rest, grpc]
    }

    async fn await_result(&self, authority: &str, key: &ApiKey, expected: &str) {
        eventually(expected, async || {
            (self.results(authority, key).await == [expected; 2]).then_some(())
        })
        .await;
    }
}

/// The key of another tenant finds no case of the app's, where it is accepted.
const ACCEPTED: &str = "NOT_FOUND CASE_NOT_FOUND";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_not_accepted_on_the_host_of_another_tenant() {
    let hosts = Hosts::start(&[]).await;
    let Hosts { app, other_key, .. } = &hosts;
    for (authority, ours, theirs) in [
        ("ours.example", "OK", INVALID),
        ("OURS.Example.:8443", "OK", INVALID),
        ("theirs.example", INVALID, ACCEPTED),
        ("theirs.example:1", INVALID, ACCEPTED),
        // Neither is a name beside or below it the host.
        ("api.theirs.example", "OK", ACCEPTED),
        ("xtheirs.example", "OK", ACCEPTED),
        ("[::1]:80", "OK", ACCEPTED),
    ] {
        assert_eq!(hosts.result(authority, &app.key).await, ours, "{authority}");
        assert_eq!(hosts.result(authority, other_key).await, theirs, "{authority}");
    }
}

/// Loopback is a trusted proxy here, unless the options say otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_that_which_a_proxy_names() {
    let hosts = Hosts::start(&[]).await;
    let Hosts { app, other_key, .. } = &hosts;
    for (forwarded, ours, theirs) in [
        ("ours.example", "OK", INVALID),
        ("Theirs.example:443", INVALID, ACCEPTED),
        ("nobodys.example, theirs.example", INVALID, ACCEPTED),
        ("ours.example,theirs.example", INVALID, INVALID),
        ("nobodys.example", "OK", ACCEPTED),
    ] {
        for (key, expected) in [(&app.key, ours), (other_key, theirs)] {
            let call = CreateCall::new(app).key(key).header("x-forwarded-host", forwarded);
            assert_eq!(call.result(app).await, expected, "{forwarded}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_tenants_keys_are_accepted_on_its_own_hosts_only() {
    // The gateway tells the server the host.
    let hosts = Hosts::start(&["--trusted-proxies", "127.0.0.0/8"]).await;
    let Hosts { app, other, other_key } = &hosts;
    app.admin.set_tenant_hosts_exclusive(*other, true).await.unwrap();
    hosts.await_result("nobodys.example", other_key, INVALID).await;
    for (authority, ours, theirs) in [
        ("theirs.example", INVALID, ACCEPTED),
        ("ours.example", "OK", INVALID),
        ("nobodys.example", "OK", INVALID),
        (&app.grpc_addr.to_string(), "OK", INVALID),
    ] {
        assert_eq!(hosts.result(authority, &app.key).await, ours, "{authority}");
        assert_eq!(hosts.result(authority, other_key).await, theirs, "{authority}");
    }
    // A proxy that somebody has named may say that it was the tenant's host. Others may not, and one on loopback, which is
    // trusted until proxies are named, may be a sidecar that passes on what a client has made up.
    let forwarded = HeaderMap::from_iter([(
        "x-forwarded-host".parse().unwrap(),
        "theirs.example".parse().unwrap(),
    )]);
    let call = async |server, key, headers| call_server(app, server, key, headers).await;
    assert_eq!(call(app.grpc_addr, other_key, forwarded.clone()).await, ACCEPTED);
    for args in [&["--trusted-proxies", "none"][..], &[]] {
        let server = app.start_server(args).await;
        assert_eq!(call(server, other_key, forwarded.clone()).await, INVALID, "{args:?}");
        // But they can get themselves refused.
        assert_eq!(call(server, &app.key, forwarded.clone()).await, INVALID, "{args:?}");
        assert_eq!(call(server, &app.key, HeaderMap::new()).await, "OK", "{args:?}");
    }

    app.admin.set_tenant_hosts_exclusive(*other, false).await.unwrap();
    hosts.await_result("nobodys.example", other_key, ACCEPTED).await;
}

/// Makes a call to a server with this key and headers. Returns `OK`, or `CODE REASON…`.
async fn call_server(
    app: &App,
    server: SocketAddr,
    key: &ApiKey,
    mut headers: HeaderMap,
) -> String {
    let endpoint = tonic::transport::Endpoint::try_from(format!("http://{server}")).unwrap();
    let call = API_CALLS.iter().find(|call| matches!(call.kind, Kind::Create)).unwrap();
    let (path, message) = call.grpc_message(&Target::of_case(app.case_id)).unwrap();
    headers.insert("authorization", format!("Bearer {}", key.expose()).parse().unwrap());
    let mut channel = endpoint.connect().await.unwrap();
    let status = raw_grpc::send(&mut channel, &path, headers, raw_grpc::frame(&message)).await;
    if status.code() == Code::Ok { "OK".to_owned() } else { code_and_reasons(&status) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_the_response_to_an_unknown_key() {
    let hosts = Hosts::start(&[]).await;
    let Hosts { app, other_key, .. } = &hosts;
    let send = async |key: &ApiKey| {
        let request = app
            .request(Method::GET, "/api/v2/cases")
            .bearer_auth(key.expose())
            .header("host", "ours.example")
            .header("x-request-id", "the-same");
        let response = request.send().await.unwrap();
        let (status, mut headers) = (response.status(), response.headers().clone());
        headers.remove("date");
        (status, headers, response.text().await.unwrap())
    };
    let refused = send(other_key).await;
    assert_eq!(refused.0, 401);
    assert_eq!(refused, send(&new_key()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_hosts_reach_two_servers_that_cache_keys_for_an_hour() {
    let args = ["--key-ttl", "1h"];
    let hosts = Hosts::start(&args).await;
    let Hosts { app, other, other_key } = &hosts;
    let servers = [app.grpc_addr, app.start_server(&args).await];
    let named = |host: &str| {
        HeaderMap::from_iter([("x-forwarded-host".parse().unwrap(), host.parse().unwrap())])
    };
    let await_result = async |expected: &str| {
        for server in servers {
            eventually(expected, async || {
                let result = call_server(app, server, other_key, named("new.example")).await;
                (result == expected).then_some(())
            })
            .await;
        }
    };
    await_result(ACCEPTED).await;
    hosts.add(app.tenant, "new.example").await;
    await_result(INVALID).await;
    app.admin.remove_tenant_hosts(app.tenant, vec!["new.example".parse().unwrap()]).await.unwrap();
    await_result(ACCEPTED).await;
    // By hand.
    let insert = format!("INSERT INTO tenant_hosts VALUES ('new.example', {})", app.tenant);
    app.database.query(&insert);
    await_result(INVALID).await;
    app.database
        .query(&format!("UPDATE tenant_hosts SET tenant_id = {other} WHERE host = 'new.example'"));
    await_result(ACCEPTED).await;
    app.database.query("TRUNCATE tenant_hosts");
    hosts.await_result("theirs.example", &app.key, "OK").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_told_of_a_change_reads_the_hosts_again() {
    let hosts = Hosts::start(&["--key-ttl", "0s"]).await;
    let Hosts { app, other_key, .. } = &hosts;
    app.database.query(&format!(
        "ALTER TABLE tenant_hosts DISABLE TRIGGER tenant_hosts_changed;
         INSERT INTO tenant_hosts VALUES ('new.example', {})",
        app.tenant
    ));
    hosts.await_result("new.example", other_key, INVALID).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_stored_in_one_form_only() {
    let app = App::start().await;
    for host in
        ["A.example", "a.example.", "a.example:1", "bücher.example", "192.0.2.1", "", "a..b"]
    {
        let insert = format!("INSERT INTO tenant_hosts VALUES ('{host}', {})", app.tenant);
        let message = format!(
            "DO $$ BEGIN {insert}; EXCEPTION WHEN check_violation THEN RETURN; END $$; \
             SELECT count(*) FROM tenant_hosts"
        );
        assert_eq!(app.database.query(&message), "0", "{host}");
    }
    let key = app.key_with(&[Scope::TasksWrite]).await;
    assert_eq!(CreateCall::new(&app).key(&key).result(&app).await, "OK");
}
