//! gRPC calls over plain HTTP/2, made with as little processor time as possible.

use std::{net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use tokio::net::TcpStream;

/// A connection, which any number of calls share.
pub(crate) type Client = SendRequest<Bytes>;

/// Opens a connection.
pub(crate) async fn connect(addr: SocketAddr) -> Client {
    let stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (client, connection) = h2::client::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 24)
        .handshake(stream)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

/// Returns the response message, or, for a refused call, the delay that the server asks for.
pub(crate) async fn call(
    connection: &Client,
    addr: SocketAddr,
    method: &str,
    key: &str,
    message: Bytes,
) -> Result<Bytes, Duration> {
    let request =
        http::Request::post(format!("http://{addr}/caseload.tasks.v1.TaskService/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", format!("Bearer {}", key))
            .body(())
            .unwrap();
    let mut connection = connection.clone().ready().await.unwrap();
    let (response, mut stream) = connection.send_request(request, false).unwrap();
    stream.send_data(message, true).unwrap();
    let (head, mut body) = response.await.unwrap().into_parts();
    let pushback = head.headers.get("grpc-retry-pushback-ms");
    let mut message = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        message.extend_from_slice(&data);
    }
    match body.trailers().await.unwrap() {
        Some(trailers) if trailers["grpc-status"] == "0" => Ok(message.freeze()),
        Some(trailers) => panic!("a response that fails in its trailers: {trailers:?}"),
        None => {
            let millis = pushback
                .unwrap_or_else(|| panic!("neither a success nor a refusal: {:?}", head.headers));
            Err(Duration::from_millis(millis.to_str().unwrap().parse().unwrap()))
        }
    }
}
