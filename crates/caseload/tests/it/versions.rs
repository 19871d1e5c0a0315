//! There is one version: that of the workspace. `manifests` requires it of the images.

use std::{fs, path::Path};

use prost::Message as _;
use prost_types::FileDescriptorProto;
use serde_json::Value;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::support::{App, CASELOAD, Program, gateway_path};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Returns a file of docs/.
fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)).unwrap()
}

#[test]
fn both_programs_say_the_version() {
    for (path, name) in [(CASELOAD, "caseload"), (&gateway_path(), "caseload-gateway")] {
        let exited = Program::run(path, &["--version"]);
        assert_eq!(exited.stdout, format!("{name} {VERSION}\n"));
        assert_eq!(exited.code(), Some(0));
    }
}

#[test]
fn the_description_of_the_rest_api_and_the_changelog_have_the_version() {
    let openapi: Value = serde_json::from_str(&read("openapi.json")).unwrap();
    assert_eq!(openapi["info"]["version"], VERSION);
    let changelog = read("CHANGELOG.md");
    let newest = changelog.lines().find_map(|line| line.strip_prefix("## ")).unwrap();
    assert_eq!(newest.split(' ').next(), Some(VERSION), "the newest version of the changelog");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_ports_say_the_version() {
    let gateway = gateway_path();
    let serve = ["serve", "--database-url", "postgresql://nobody@127.0.0.1:1/none"];
    let addresses = ["--admin-addr", "127.0.0.1:0"];
    for (path, args, name) in [
        (CASELOAD, [&serve[..], &["--grpc-addr", "127.0.0.1:0"], &addresses].concat(), "caseload"),
        (&gateway, [&["--http-addr", "127.0.0.1:0"], &addresses[..]].concat(), "caseload-gateway"),
    ] {
        let program = Program::start(path, &args);
        let addr = program.wait_for_address("serving the admin port");
        let reply = reqwest::get(format!("http://{addr}/version")).await.unwrap();
        let version: Value = reply.json().await.unwrap();
        assert_eq!(version, serde_json::json!({"program": name, "version": VERSION}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_says_the_version() {
    let app = App::start().await;
    let question = MessageRequest::FileContainingSymbol("caseload.Program".to_owned());
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut client = ServerReflectionClient::new(app.channel().await);
    let replies = client.server_reflection_info(tokio_stream::once(request)).await.unwrap();
    let reply = replies.into_inner().message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::FileDescriptorResponse(files) = reply else { panic!("{reply:?}") };
    let file = FileDescriptorProto::decode(files.file_descriptor_proto[0].as_slice()).unwrap();
    let field = &file.message_type[0].field[0];
    assert_eq!((field.name(), field.default_value()), ("version", VERSION));
}
