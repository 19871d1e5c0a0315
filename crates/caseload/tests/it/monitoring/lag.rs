//! Programs that get too little processor time.

use std::time::Duration;

use super::installation::Installation;
use crate::support::polling::eventually;

/// More than what busy machines make of a tenth of a second, and less than for how long a program is stopped.
const MAX_LAG: [&str; 2] = ["--max-lag", "500ms"];
const STOPPED: Duration = Duration::from_secs(1);

/// Each program is stopped again and again until it has lowered its limit, as one is that has to share a
/// processor with many others.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_late_takes_less_at_once_and_as_much_as_before_later() {
    let installation =
        Installation::start(&MAX_LAG, &[&MAX_LAG[..], &["--max-requests", "1000"]].concat()).await;
    for (process, gauge, most, late) in [
        (
            &installation.server,
            "caseload_calls_in_flight_limit",
            2048.0,
            "caseload_server_late_seconds_total",
        ),
        (
            &installation.gateway,
            "caseload_requests_in_flight_limit",
            1000.0,
            "caseload_gateway_late_seconds_total",
        ),
    ] {
        let limit = async || process.scrape().await.sum(gauge, &[]);
        eventually("a limit that falls", async || {
            process.program.freeze();
            tokio::time::sleep(STOPPED).await;
            process.program.resume();
            (limit().await < most).then_some(())
        })
        .await;
        eventually("a limit that is back", async || (limit().await == most).then_some(())).await;
        // It is late twice at least, before it lowers its limit.
        assert!(process.scrape().await.sum(late, &[]) > 1.0);
        process.program.wait_for_log("late with the work in flight; lowering its limit");
    }
    installation.work().await;
}
