//! A database that hangs keeps no server from its end.

use domain::Scope;
use localdb::Cluster;
use tonic::transport::Endpoint;

use crate::support::{App, TestDatabase, polling::eventually, start_server_process};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_ends_while_entries_can_not_be_appended() {
    let mut cluster = Cluster::temporary().setting("shared_buffers", "4MB").start().unwrap();
    let app = App::builder().start_on(TestDatabase::create_on(&cluster).await).await;
    let url = cluster.url("caseload");
    let args = ["--grpc-addr", "127.0.0.1:0", "--drain-timeout", "1s"];
    let mut server = start_server_process(&url, &args);
    let addr = server.wait_for_address("serving gRPC");
    server.wait_for_log("serving");
    let endpoint = Endpoint::try_from(format!("http://{addr}")).unwrap();
    let key = app.key_with(&[Scope::TasksRead]).await;
    let mut client = proto::tasks::v1::task_service_client::TaskServiceClient::new(
        endpoint.connect().await.unwrap(),
    );
    let mut request = app.one_task_request();
    let bearer = format!("Bearer {}", key.expose()).parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    // Refused for want of a scope: that, and the use, are to be appended.
    client.batch_create_tasks(request).await.unwrap_err();
    drop(client);

    cluster.pause().unwrap();
    server.terminate();
    eventually("the end of the server", async || server.has_exited().then_some(())).await;
    cluster.resume().unwrap();
}
