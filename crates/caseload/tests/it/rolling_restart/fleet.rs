//! Two servers and two gateways as processes, on addresses that they keep over restarts.

use std::net::SocketAddr;

use super::balancer::Balancer;
use crate::{
    outages::probes::grpc_health,
    support::{
        App, Program, ReservedPort, gateway_path, polling::eventually, start_server_process,
    },
};
use tonic_health::pb::health_check_response::ServingStatus;

/// Long enough for balancers and gateways to notice, also on a busy machine.
const DRAIN_DELAY: [&str; 2] = ["--drain-delay", "3s"];

/// The running processes.
pub(super) struct Fleet {
    database_url: String,
    servers: [ReservedPort; 2],
    gateways: [ReservedPort; 2],
    running_servers: [Option<Program>; 2],
    running_gateways: [Option<Program>; 2],
}

impl Fleet {
    /// Starts all processes and waits until they are ready.
    pub(super) async fn start(app: &App) -> Self {
        let ports = || [ReservedPort::reserve(), ReservedPort::reserve()];
        let mut fleet = Self {
            database_url: app.database.url().expose().to_owned(),
            servers: ports(),
            gateways: ports(),
            running_servers: [None, None],
            running_gateways: [None, None],
        };
        for index in 0..2 {
            fleet.start_server(index).await;
        }
        for index in 0..2 {
            fleet.start_gateway(index).await;
        }
        fleet
    }

    /// Returns the addresses of the servers.
    pub(super) fn server_addrs(&self) -> [SocketAddr; 2] {
        self.servers.each_ref().map(ReservedPort::addr)
    }

    /// Returns the addresses of the gateways.
    pub(super) fn gateway_addrs(&self) -> [SocketAddr; 2] {
        self.gateways.each_ref().map(ReservedPort::addr)
    }

    /// Ends a server with SIGTERM and starts another on its address.
    pub(super) async fn replace_server(&mut self, index: usize, balancer: &Balancer) {
        let addr = self.servers[index].addr();
        let program = self.running_servers[index].take().unwrap();
        program.terminate();
        eventually("the loss of health", async || {
            (grpc_health(addr).await? != [ServingStatus::Serving; 2]).then_some(())
        })
        .await;
        balancer.avoid(index);
        assert_eq!(program.wait_for_exit().code(), Some(0));
        self.start_server(index).await;
        balancer.avoid_none();
    }

    /// Ends a gateway with SIGTERM and starts another on its address.
    pub(super) async fn replace_gateway(&mut self, index: usize, balancer: &Balancer) {
        let addr = self.gateways[index].addr();
        let program = self.running_gateways[index].take().unwrap();
        program.terminate();
        eventually("the loss of readiness", async || (!is_ready(addr).await).then_some(())).await;
        balancer.avoid(index);
        assert_eq!(program.wait_for_exit().code(), Some(0));
        self.start_gateway(index).await;
        balancer.avoid_none();
    }

    /// Starts a server and waits until it serves.
    async fn start_server(&mut self, index: usize) {
        let addr = self.servers[index].addr();
        let listen = ["--grpc-addr", &addr.to_string(), "--writers", "1"];
        let args = [&listen[..], &DRAIN_DELAY].concat();
        let program = start_server_process(&self.database_url, &args);
        eventually("a server", async || {
            (grpc_health(addr).await? == [ServingStatus::Serving; 2]).then_some(())
        })
        .await;
        self.running_servers[index] = Some(program);
    }

    /// Starts a gateway and waits until it is ready.
    async fn start_gateway(&mut self, index: usize) {
        let addr = self.gateways[index].addr();
        let upstream = self.server_addrs().map(|addr| format!("http://{addr}")).join(",");
        let listen = ["--http-addr", &addr.to_string(), "--upstream", &upstream];
        let program = Program::start(&gateway_path(), &[&listen[..], &DRAIN_DELAY].concat());
        eventually("a gateway", async || is_ready(addr).await.then_some(())).await;
        self.running_gateways[index] = Some(program);
    }
}

/// Returns whether a gateway reports that it is ready.
async fn is_ready(addr: SocketAddr) -> bool {
    matches!(gateway::check(addr, None).await, Ok(true))
}
