//! A rolling restart: two servers and two gateways are replaced one after the other, under load.

mod balancer;
mod callers;
mod fleet;

use std::sync::Arc;

use crate::support::App;
use callers::Callers;
use fleet::Fleet;

/// The number of batches that each caller creates between two steps.
const BATCHES: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn servers_and_gateways_are_replaced_one_by_one_and_no_call_fails() {
    let app = Arc::new(App::start().await);
    let mut fleet = Fleet::start(&app).await;
    let callers = Callers::start(&app, &fleet);
    callers.await_progress(BATCHES).await;

    for index in 0..2 {
        fleet.replace_server(index, &callers.servers).await;
        callers.await_progress(BATCHES).await;
    }
    for index in 0..2 {
        fleet.replace_gateway(index, &callers.gateways).await;
        callers.await_progress(BATCHES).await;
    }

    let tally = callers.stop().await;
    assert!(tally.failures.is_empty(), "{:#?}", tally.failures);
    assert_eq!(app.row_counts().0, tally.created, "each acknowledged batch, once");
}
