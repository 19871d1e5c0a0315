//! Servers that are not to be trusted, and connections that are not encrypted: there is no connection, and
//! who reads the log learns why.

use std::fs;

use serde_json::Value;
use store::DatabaseUrl;
use tonic_health::pb::health_check_response::ServingStatus;

use super::fixture::{APP, PASSWORD, SecurePostgres, run, start};
use crate::{
    outages::probes::grpc_health,
    support::{
        Authority, Holder, Program,
        polling::{eventually, wait_until},
        start_server_process,
    },
};

/// What libpq says of a certificate that it does not accept, and what is added.
const NOT_VERIFIED: [&str; 2] = [
    "certificate verify failed",
    "the server's certificate is of no authority in sslrootcert, has expired, or is not valid yet",
];

/// Commands and a server that are about to be refused. Each command tries for ten seconds, so they do so together.
struct Refused {
    commands: Vec<Program>,
    server: Program,
}

impl Refused {
    fn start(url: &DatabaseUrl) -> Self {
        let commands = [&["migrate"][..], &["migrate", "--check"], &["admin", "tenant", "list"]];
        let commands = commands.map(|args| start(url, args)).into();
        let args = ["--grpc-addr", "127.0.0.1:0", "--checkout-timeout", "500ms"];
        let server = start_server_process(url.expose(), &args);
        Self { commands, server }
    }

    /// Checks that all of them say why, and that the server is not ready.
    async fn check(self, reasons: &[&str]) {
        let addr = self.server.wait_for_address("serving gRPC");
        wait_until("the reason", || {
            let log = self.server.stderr();
            let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut events = events.filter(|it| it["message"] == "no connection to the database");
            events.any(|event| {
                let error = event["error"].as_str().unwrap();
                reasons.iter().all(|reason| error.contains(reason))
            })
        });
        eventually("the loss of health", async || {
            grpc_health(addr).await.filter(|statuses| *statuses == [ServingStatus::NotServing; 2])
        })
        .await;
        self.server.kill().assert_never_wrote(&[PASSWORD]);
        for command in self.commands {
            let refused = command.wait_for_exit();
            assert_eq!(refused.code(), Some(1), "{refused:?}");
            for reason in reasons {
                assert!(refused.stderr.contains(reason), "{reason}: {refused:?}");
            }
            refused.assert_never_wrote(&[PASSWORD]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_authority_and_another_host_are_refused() {
    let postgres = SecurePostgres::start();
    postgres.write("other.pem", &Authority::create("Another").certificate());

    let url = |host, file| postgres.url(APP, host, &postgres.verified_by(file));
    let by_another = Refused::start(&url("localhost", "other.pem"));
    let elsewhere = Refused::start(&url("db.example", "ca.pem"));
    let by_none = Refused::start(&url("localhost", "missing.pem"));

    by_another.check(&NOT_VERIFIED).await;
    let log = fs::read_to_string(postgres.cluster.log_file()).unwrap();
    assert!(log.contains("alert unknown ca"), "{log}");
    let reason = "does not match host name \"db.example\"";
    elsewhere.check(&["server certificate for \"localhost\"", reason]).await;
    by_none.check(&["root certificate file", "missing.pem", "does not exist"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_refused() {
    let postgres = SecurePostgres::start();
    let expired = Holder { names: &["localhost"], years: (2000, 2020), ..Holder::default() };
    postgres.serve(&postgres.authority, expired);
    postgres.reload();
    let url = postgres.good_url();
    // New connections may still find the one before.
    wait_until("the certificate", || {
        run(&url, &["migrate", "--check"]).stderr.contains(NOT_VERIFIED[0])
    });
    Refused::start(&url).check(&NOT_VERIFIED).await;
    let log = fs::read_to_string(postgres.cluster.log_file()).unwrap();
    assert!(log.contains("alert certificate expired"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plaintext_is_refused_by_either_side() {
    let postgres = SecurePostgres::start();
    let plain = postgres.url(APP, "localhost", "sslmode=disable");
    let reasons = ["no pg_hba.conf entry for host", "no encryption"];
    Refused::start(&plain).check(&reasons).await;

    postgres.query("ALTER SYSTEM SET ssl = off");
    postgres.reload();
    wait_until("plaintext", || postgres.query("SHOW ssl") == "off");
    let reason = "server does not support SSL, but SSL was required";
    Refused::start(&postgres.good_url()).check(&[reason]).await;
}
