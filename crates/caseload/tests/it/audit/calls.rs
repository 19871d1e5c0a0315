//! What calls write: administration in the same transaction, use of keys off the way.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use domain::{ApiKey, AuditEntry, AuditEvent, Networks, Scope};
use proto::directory::v1::{
    CaseKey, CloseCaseRequest, DeactivateUserRequest, EraseUserRequest, ReactivateUserRequest,
    UserKey, case_key, directory_service_client::DirectoryServiceClient, user_key,
};
use tokio::task::JoinSet;
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};

use crate::support::{App, CreateCall, new_key, polling::eventually};

/// Returns the entries of the app's tenant about these events.
pub(super) async fn entries(app: &App, events: &[AuditEvent]) -> Vec<AuditEntry> {
    let since = SystemTime::now() - Duration::from_secs(3600);
    let records = app.admin.list_audit_entries(app.tenant, since, 10_000).await.unwrap();
    let mut entries: Vec<_> = records.into_iter().map(|record| record.entry).collect();
    entries.sort_by_key(|entry| entry.number);
    entries.retain(|entry| events.iter().any(|event| event.as_str() == entry.event));
    entries
}

pub(super) async fn assert_intact(app: &App) {
    let found = app.admin.verify_audit_log(app.tenant, Vec::new()).await.unwrap();
    assert_eq!(found.faults, []);
}

pub(super) async fn directory(app: &App) -> DirectoryServiceClient<Channel> {
    DirectoryServiceClient::new(app.channel().await)
}

pub(super) fn request<T>(key: &ApiKey, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert("authorization", format!("Bearer {}", key.expose()).parse().unwrap());
    metadata.insert("x-forwarded-for", "198.51.100.7".parse().unwrap());
    metadata.insert("x-request-id", "the-request".parse().unwrap());
    request
}

fn user(id: i64) -> Option<UserKey> {
    Some(UserKey { key: Some(user_key::Key::Id(id.to_string())) })
}

const ADMINISTRATION: [AuditEvent; 4] = [
    AuditEvent::CaseClosed,
    AuditEvent::UserDeactivated,
    AuditEvent::UserReactivated,
    AuditEvent::UserErased,
];

#[tokio::test(flavor = "multi_thread")]
async fn what_the_directory_changes_is_written_down_with_who_did_it_and_from_where() {
    let app = App::start().await;
    let key = new_key();
    let id = app.store_key(app.tenant, &key, &[Scope::Admin], None).await;
    let mut client = directory(&app).await;
    let case = || Some(CaseKey { key: Some(case_key::Key::Id(app.case_id)) });
    for _ in 0..2 {
        // The second time, nothing is to be done.
        client.close_case(request(&key, CloseCaseRequest { case: case() })).await.unwrap();
        let message = DeactivateUserRequest { user: user(1) };
        client.deactivate_user(request(&key, message)).await.unwrap();
    }
    let message = ReactivateUserRequest { user: user(1) };
    client.reactivate_user(request(&key, message)).await.unwrap();
    for _ in 0..2 {
        client.erase_user(request(&key, EraseUserRequest { user: user(2) })).await.unwrap();
    }
    let written = entries(&app, &ADMINISTRATION).await;
    let events: Vec<_> = written.iter().map(|it| (&*it.event, it.subject)).collect();
    assert_eq!(
        events,
        [
            ("case.closed", Some(app.case_id)),
            ("user.deactivated", Some(1)),
            ("user.reactivated", Some(1)),
            ("user.deactivated", Some(2)),
            ("user.erased", Some(2)),
        ]
    );
    for entry in &written {
        assert_eq!((entry.key, &entry.role), (Some(id.get()), &None));
        assert_eq!(entry.address.as_deref(), Some("198.51.100.7"));
        assert_eq!(entry.request_id.as_deref(), Some("the-request"));
    }
    assert_intact(&app).await;
}

fn last(text: &str) -> char {
    text.chars().next_back().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_use_of_a_key_from_an_address_and_all_refusals_are_written_down() {
    let app = App::start().await;
    let scopes = [Scope::TasksWrite];
    let [used, revoked, expired, limited, reader] = [(); 5].map(|()| new_key());
    let mut ids = BTreeMap::new();
    for (name, key) in [
        ("used", &used),
        ("revoked", &revoked),
        ("expired", &expired),
        ("limited", &limited),
        ("reader", &reader),
    ] {
        let scopes: &[Scope] = if name == "reader" { &[Scope::TasksRead] } else { &scopes };
        let past = (name == "expired").then(|| SystemTime::now() - Duration::from_secs(1));
        ids.insert(name, app.store_key(app.tenant, key, scopes, past).await);
    }
    app.admin.revoke_api_key(app.tenant, ids["revoked"]).await.unwrap();
    let networks = Networks::new(["192.0.2.0/24".parse().unwrap()]).unwrap();
    app.admin.set_api_key_networks(app.tenant, ids["limited"], networks).await.unwrap();
    let call = async |key: &ApiKey, from: &str, times: u32| {
        for _ in 0..times {
            let call = CreateCall::new(&app).key(key).header("x-forwarded-for", from);
            call.header("x-request-id", format!("r{}", last(from))).result_over_grpc(&app).await;
        }
    };
    for (key, from, times) in [
        (&used, "198.51.100.1", 3),
        (&used, "198.51.100.2", 1),
        // Of one network of 64 bits.
        (&used, "2001:db8::1", 1),
        (&used, "2001:db8::2", 1),
        (&revoked, "198.51.100.1", 2),
        (&expired, "198.51.100.1", 1),
        (&limited, "198.51.100.1", 3),
        (&reader, "198.51.100.1", 1),
        // Nobody's.
        (&new_key(), "198.51.100.1", 1),
    ] {
        call(key, from, times).await;
    }
    app.shutdown.cancel();
    let uses = [AuditEvent::KeyUsed, AuditEvent::KeyRefused];
    let written = eventually("the entries", async || {
        let written = entries(&app, &uses).await;
        let count = |event: AuditEvent| {
            let entries = written.iter().filter(|it| it.event == event.as_str());
            let counts =
                entries.filter_map(|it| it.details.rsplit_once('=')?.1.parse::<u32>().ok());
            counts.sum::<u32>()
        };
        let used = written.iter().filter(|it| it.event == "key.used").count();
        (used >= 4 && count(AuditEvent::KeyRefused) >= 7).then_some(written)
    })
    .await;
    let name = |id| ids.iter().find(|(_, of)| of.get() == id).map_or("?", |(name, _)| *name);
    let mut used = Vec::new();
    let mut refused = BTreeMap::new();
    for entry in &written {
        assert_eq!(entry.key, entry.subject);
        let address = entry.address.as_deref().unwrap();
        assert_eq!(entry.request_id.as_deref(), Some(&*format!("r{}", last(address))));
        let name = name(entry.subject.unwrap());
        match entry.details.rsplit_once(" count=") {
            None => used.push(format!("{name} {address}")),
            Some((reason, count)) => {
                // The first ones may have been written before the others came.
                let of_all = refused.entry(format!("{name} {reason}")).or_insert(0);
                *of_all += count.parse::<u32>().unwrap();
            }
        }
    }
    used.sort_unstable();
    assert_eq!(
        used,
        ["reader 198.51.100.1", "used 198.51.100.1", "used 198.51.100.2", "used 2001:db8::1"]
    );
    let refused: Vec<_> = refused.iter().map(|(what, count)| format!("{what} {count}")).collect();
    assert_eq!(
        refused,
        [
            "expired reason=expired 1",
            "limited reason=address 3",
            "reader reason=scope 1",
            "revoked reason=revoked 2",
        ]
    );
    assert_intact(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_on_the_host_of_another_tenant_is_written_down() {
    let app = App::start().await;
    let (other, ..) = app.other_tenant().await;
    app.admin.add_tenant_hosts(other, vec!["theirs.example".parse().unwrap()]).await.unwrap();
    let call = CreateCall::new(&app).key(&app.key).header("x-forwarded-host", "theirs.example");
    eventually("the refusal", async || {
        (call.result_over_grpc(&app).await == "UNAUTHENTICATED KEY_INVALID").then_some(())
    })
    .await;
    app.shutdown.cancel();
    let refused = eventually("the entry", async || {
        let mut entries = entries(&app, &[AuditEvent::KeyRefused]).await;
        entries.pop()
    })
    .await;
    assert!(refused.details.starts_with("reason=host count="), "{refused:?}");
    assert_eq!(refused.tenant, app.tenant);
}

/// Each appends to the same log, while others change what they change.
#[tokio::test(flavor = "multi_thread")]
async fn calls_and_commands_at_the_same_time_do_not_fail_and_leave_one_chain() {
    let app = App::start().await;
    let second = app.start_server(&[]).await;
    let key = app.key_with(&[Scope::Admin]).await;
    const ROUNDS: usize = 5;
    let mut callers = JoinSet::new();
    for server in [app.grpc_addr, second] {
        for id in 1..=3 {
            let key = key.clone();
            callers.spawn(async move {
                let server = Endpoint::try_from(format!("http://{server}")).unwrap();
                let mut client = DirectoryServiceClient::new(server.connect().await.unwrap());
                for _ in 0..ROUNDS {
                    let message = DeactivateUserRequest { user: user(id) };
                    client.deactivate_user(request(&key, message)).await.unwrap();
                    let message = ReactivateUserRequest { user: user(id) };
                    client.reactivate_user(request(&key, message)).await.unwrap();
                }
            });
        }
    }
    for _ in 0..2 {
        let (admin, tenant) = (app.database.open(), app.tenant);
        callers.spawn(async move {
            for _ in 0..ROUNDS {
                admin.create_case(tenant, "A case".to_owned()).await.unwrap();
            }
        });
    }
    callers.join_all().await;
    let cases = entries(&app, &[AuditEvent::CaseCreated]).await;
    assert_eq!(cases.len(), 1 + 2 * ROUNDS);
    let changes = entries(&app, &[AuditEvent::UserDeactivated, AuditEvent::UserReactivated]).await;
    // Each entry is about a change: of a user they alternate.
    for id in 1..=3 {
        let of_user: Vec<_> = changes.iter().filter(|it| it.subject == Some(id)).collect();
        assert!(of_user.len() >= 2 && of_user.len().is_multiple_of(2), "{}", of_user.len());
        let alternate = of_user.windows(2).all(|pair| pair[0].event != pair[1].event);
        assert!(alternate && of_user[0].event == "user.deactivated", "{of_user:?}");
    }
    assert_intact(&app).await;
}
