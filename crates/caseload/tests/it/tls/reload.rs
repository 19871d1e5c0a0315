//! Certificates that are replaced while calls are made.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use serde_json::Value;
use tokio::task::JoinSet;

use super::{
    client::Client,
    files::{Files, borrowed, listeners},
};
use crate::support::{
    App, Authority, Holder, Issued, ONE_TASK, Program, Reply, Switch, gateway_path,
    polling::eventually, start_gateway_to, start_server_process,
};

/// Returns the certificate that a listener shows, as DER.
async fn shown(client: &Client, to: SocketAddr) -> Vec<u8> {
    let stream = client.clone().protocols(&["h2"]).connect(to).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Waits until all listeners show another certificate than before.
async fn await_others(client: &Client, to: &[SocketAddr], before: &[Vec<u8>]) {
    for (addr, before) in to.iter().zip(before) {
        eventually("another certificate", async || {
            (shown(client, *addr).await != *before).then_some(())
        })
        .await;
    }
}

/// Requests that are made all the time, each on a connection of its own.
struct Load {
    is_over: Arc<AtomicBool>,
    succeeded: Arc<AtomicUsize>,
    callers: JoinSet<()>,
}

impl Load {
    /// Begins to make requests to a gateway.
    fn begin(client: &Client, to: SocketAddr) -> Self {
        let (is_over, succeeded) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut callers = JoinSet::new();
        for _ in 0..4 {
            let client = client.clone();
            let (is_over, succeeded) = (Arc::clone(&is_over), Arc::clone(&succeeded));
            callers.spawn(async move {
                while !is_over.load(Relaxed) {
                    let response = client.get_livez(to).await.expect("a response");
                    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
                    succeeded.fetch_add(1, Relaxed);
                }
            });
        }
        Self { is_over, succeeded, callers }
    }

    /// Waits until some more requests have succeeded.
    async fn go_on(&self) {
        let before = self.succeeded.load(Relaxed);
        eventually("more requests", async || {
            (self.succeeded.load(Relaxed) >= before + 8 || self.callers.is_empty()).then_some(())
        })
        .await;
    }

    /// Ends. All requests must have succeeded.
    async fn end(mut self) {
        self.go_on().await;
        self.is_over.store(true, Relaxed);
        while let Some(caller) = self.callers.join_next().await {
            caller.unwrap();
        }
    }
}

/// Replaces a file as programs do that write it anew, and rename it.
fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(&new, path).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_replaced_under_load_are_used_and_no_request_fails() {
    let app = App::start().await;
    let files = Files::create();
    let addrs = listeners(&app, &files.listener(&[])).await;
    let client = Client::of(&files);
    let load = Load::begin(&client, addrs[1]);
    for _ in 0..2 {
        let before = [shown(&client, addrs[0]).await, shown(&client, addrs[1]).await];
        let Issued { certificate, key } = files.authority.issue(Holder::default());
        replace(&files.directory().join("tls.crt"), &certificate);
        // Now the key is that of another certificate.
        load.go_on().await;
        replace(&files.directory().join("tls.key"), &key);
        await_others(&client, &addrs, &before).await;
    }
    load.end().await;
}

/// Kubernetes mounts a secret as links to `..data/FILE`, where `..data` is a link to a directory, and
/// replaces that link.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_swapped_under_load_is_followed_and_no_request_fails() {
    let app = App::start().await;
    let files = Files::create();
    let volume = files.directory().join("volume");
    fs::create_dir(&volume).unwrap();
    let publish = |version: &str| {
        let Issued { certificate, key } = files.authority.issue(Holder::default());
        let directory = volume.join(version);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("tls.crt"), certificate).unwrap();
        fs::write(directory.join("tls.key"), key).unwrap();
        let link = volume.join("..data_tmp");
        symlink(version, &link).unwrap();
        fs::rename(link, volume.join("..data")).unwrap();
    };
    publish("..2026_01");
    for name in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(name), volume.join(name)).unwrap();
    }
    let [cert, key] = ["tls.crt", "tls.key"].map(|name| volume.join(name).display().to_string());
    let args = ["--tls-cert", &cert, "--tls-key", &key].map(str::to_owned);
    let addrs = listeners(&app, &args).await;
    let client = Client::of(&files);
    let load = Load::begin(&client, addrs[1]);
    let before = [shown(&client, addrs[0]).await, shown(&client, addrs[1]).await];
    publish("..2026_02");
    fs::remove_dir_all(volume.join("..2026_01")).unwrap();
    await_others(&client, &addrs, &before).await;
    load.end().await;
}

fn hang_up(program: &Program) {
    let status = Command::new("kill").args(["-s", "HUP", &program.pid().to_string()]).status();
    assert!(status.unwrap().success());
}

/// Waits until a program logs an event with this message and, if one is given, an error that ends so.
async fn await_logged(program: &Program, message: &str, error: &str) -> Value {
    eventually(message, async || {
        let text = program.stderr();
        let mut events = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        events.find(|event: &Value| {
            event["message"] == message
                && event["error"].as_str().unwrap_or_default().ends_with(error)
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_reads_its_files_again_on_sighup_and_keeps_what_works() {
    const FAILED: &str = "failed to reload certificates; those read before stay in use";
    let app = App::start().await;
    for is_gateway in [false, true] {
        let files = Files::create();
        let (program, message) = if is_gateway {
            let args = files.listener(&["--http-addr", "127.0.0.1:0"]);
            (Program::start(&gateway_path(), &borrowed(&args)), "serving REST")
        } else {
            let args = files.listener(&["--grpc-addr", "127.0.0.1:0"]);
            let url = app.database.url().expose();
            (start_server_process(url, &borrowed(&args)), "serving gRPC")
        };
        let client = Client::of(&files);
        let addr = program.wait_for_address(message);
        let before = shown(&client, addr).await;

        hang_up(&program);
        await_logged(&program, "certificates have not changed", "").await;

        files.write("tls.crt", "-----BEGIN CERTIFICATE-----\nAA==\n");
        hang_up(&program);
        let error =
            format!("{} has a section that is not PEM, or that is cut off", files.path("tls.crt"));
        let line = await_logged(&program, FAILED, &error).await;
        assert_eq!((&line["level"], &line["error"]), (&"ERROR".into(), &error.into()));
        assert_eq!(shown(&client, addr).await, before);

        files.issue("tls", Holder { years: (2000, 2020), ..Holder::default() });
        hang_up(&program);
        await_logged(&program, FAILED, "expired at 2020-01-01T00:00:00Z").await;
        assert_eq!(shown(&client, addr).await, before);

        files.issue("tls", Holder { years: (2000, 3000), ..Holder::default() });
        hang_up(&program);
        let line = await_logged(&program, "certificates reloaded", "").await;
        assert_eq!((&line["name"], &line["level"]), (&"localhost".into(), &"INFO".into()));
        assert_eq!(line["not_after"], "3000-01-01T00:00:00Z");
        assert_ne!(shown(&client, addr).await, before);

        program.terminate();
        assert_eq!(program.wait_for_exit().code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authorities_of_clients_and_the_certificate_of_the_gateway_are_replaced_too() {
    let mut app = App::start().await;
    let files = Files::create();
    let server = app.start_server(&borrowed(&files.mutual(&[]))).await;
    files.issue("gateway", Holder::default());
    let paths = ["ca.pem", "gateway.crt", "gateway.key"].map(|name| files.path(name));
    let args = [
        "--upstream-ca-file",
        &paths[0],
        "--upstream-cert",
        &paths[1],
        "--upstream-key",
        &paths[2],
    ];
    let switch = Switch::start(server).await;
    let upstream = format!("https://localhost:{}", switch.port);
    app.http_addr = start_gateway_to(&upstream, &args, &app.shutdown).await;
    assert_eq!(Reply::of(app.post().body(ONE_TASK)).await.status, 201);

    // All sides change over to another authority.
    let second = Authority::create("Second");
    let before = shown_over_mutual(&files, server).await;
    for name in ["tls", "gateway"] {
        let Issued { certificate, key } = second.issue(Holder::default());
        files.write(&format!("{name}.crt"), certificate);
        files.write(&format!("{name}.key"), key);
    }
    files.write("ca.pem", second.certificate());
    let old = Client::of(&files).identity(files.authority.issue(Holder::default()));
    let new = Client::trusting(second.certificate()).identity(second.issue(Holder::default()));
    eventually("the new authority", async || new.channel(server).await.ok()).await;
    assert_ne!(before, shown(&new, server).await);
    assert!(old.channel(server).await.is_err());

    // The gateway has to connect anew, to a server that knows nothing of the first authority. The one accepts the other
    // only if the gateway has read its own files again.
    let later = app.start_server(&borrowed(&files.mutual(&[]))).await;
    switch.redirect(later);
    // A call may be lost with the connection that is cut.
    eventually("a call of the gateway", async || {
        (Reply::of(app.post().body(ONE_TASK)).await.status == 201).then_some(())
    })
    .await;
}

/// A key may be written long after its certificate.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_that_of_the_certificate_is_logged_once_and_the_next_change_is_used() {
    const FAILED: &str = "failed to reload certificates; those read before stay in use";
    let files = Files::create();
    let args = files.listener(&["--http-addr", "127.0.0.1:0"]);
    let gateway = Program::start(&gateway_path(), &borrowed(&args));
    let addr = gateway.wait_for_address("serving REST");
    let client = Client::of(&files);
    let before = shown(&client, addr).await;

    let Issued { certificate, key } = files.authority.issue(Holder::default());
    files.write("tls.crt", certificate);
    let error = format!("is not that of the certificate in {}", files.path("tls.crt"));
    await_logged(&gateway, FAILED, &error).await;
    assert_eq!(shown(&client, addr).await, before);
    // Half of the key is no key.
    files.write("tls.key", &key[..key.len() / 2]);
    let error =
        format!("{} has a section that is not PEM, or that is cut off", files.path("tls.key"));
    await_logged(&gateway, FAILED, &error).await;
    assert_eq!(shown(&client, addr).await, before);
    files.write("tls.key", key);
    await_others(&client, &[addr], &[before]).await;

    gateway.terminate();
    let log = gateway.wait_for_exit().log();
    let count = |message| log.iter().filter(|event| event["message"] == message).count();
    assert_eq!((count(FAILED), count("certificates reloaded")), (2, 1), "once for each fault");
}

async fn shown_over_mutual(files: &Files, to: SocketAddr) -> Vec<u8> {
    shown(&Client::of(files).identity(files.authority.issue(Holder::default())), to).await
}
