//! Callers whose API key is being looked up when the database hangs.

use std::time::Duration;

use localdb::Cluster;
use tokio::{task::JoinSet, time::sleep};

use super::probes::await_ready;
use crate::support::{App, TestDatabase};

/// How many callers with the same key go away, one after the other.
const GONE: u32 = 250;

/// The callers wait for one look-up. Each that goes away must leave it to those behind it, however
/// many went before. The runtime has one thread, so the callers wait in the order of their calls.
#[tokio::test]
async fn a_caller_whose_key_is_looked_up_does_not_depend_on_those_that_go_away() {
    let mut cluster = Cluster::temporary()
        .setting("shared_buffers", "4MB")
        .setting("max_connections", "30")
        .start()
        .unwrap();
    let app = App::builder().start_on(TestDatabase::create_on(&cluster).await).await;
    await_ready(&app).await;
    let client = app.grpc_client().await;

    cluster.pause().unwrap();
    let mut gone = JoinSet::new();
    for number in 0..GONE {
        let (mut client, request) = (client.clone(), app.one_task_request());
        let time = Duration::from_millis(500) + number * Duration::from_millis(15);
        gone.spawn(async move {
            tokio::select! {
                result = client.batch_create_tasks(request) => panic!("{result:?}"),
                () = sleep(time) => {}
            }
        });
    }
    let (mut client, request) = (client.clone(), app.one_task_request());
    let patient = tokio::spawn(async move { client.batch_create_tasks(request).await });
    while let Some(result) = gone.join_next().await {
        result.unwrap();
    }
    cluster.resume().unwrap();

    let response = patient.await.unwrap().unwrap();
    assert_eq!(response.get_ref().tasks.len(), 1);
    assert_eq!(app.row_counts(), (1, 0));
}
