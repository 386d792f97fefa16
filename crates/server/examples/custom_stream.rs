//! An axum application with its own stream and its own publisher, which embeds Tidings.
//!
//! Run it with `cargo run -p tidings-server --example custom_stream`, then, in two terminals:
//!
//! ```text
//! curl -N localhost:4000/orders/eu/stream
//! curl localhost:4000/orders/eu --json '{"item":"tea"}' -H 'Authorization: Bearer dGVzdDEyMzp0ZXN0dXNlcjp0ZXN0'
//! ```

use std::net::SocketAddr;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tidings_server::Server;
use tidings_server::auth::By;
use tidings_server::handle::{Caller, Handle, StreamRequest};
use tokio::net::TcpListener;

/// Serves the application's own routes, and those of Tidings for all other paths, until `shutdown`.
pub(crate) async fn serve(
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let (tidings, engine) = Server::builder().embed()?;
    let app = Router::new()
        .route("/orders/{region}/stream", get(follow))
        .route("/orders/{region}", post(place))
        .with_state(engine.handle())
        .fallback_service(tidings);
    // The streams are ended first, and their clients are told to reconnect. Then axum closes the
    // other connections.
    let drained = async {
        engine
            .run(shutdown)
            .await
            .unwrap_or_else(|error| tracing::error!(%error, "not drained"));
    };
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, app)
        .with_graceful_shutdown(drained)
        .await?)
}

/// Opens a stream of the orders of a region. A client that reconnects with `Last-Event-ID` misses
/// none.
async fn follow(stream: StreamRequest, Path(region): Path<String>) -> Response {
    stream
        .open(&["orders", "heartbeat"], [format!("orders/{region}")])
        .await
}

/// Places an order. Once this answers, every stream of the region can see the order, and the
/// customer has a notification, as from `POST /notifications/send`.
async fn place(
    State(tidings): State<Handle>,
    Caller(customer): Caller,
    Path(region): Path<String>,
    Json(order): Json<Value>,
) -> axum::response::Result<String> {
    let event = json!({ "order": order, "customer": customer.id.as_str() });
    let id = tidings
        .publish(&format!("orders/{region}"), "order-placed", &event)
        .await?;
    let form = json!({ "title": "Order placed", "message": format!("We have it: {region}"), "targetUserId": customer.id.as_str() });
    tidings.notify(By::Application, &form).await?;
    Ok(id.to_string())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind("localhost:4000").await?;
    serve(listener, async { drop(tokio::signal::ctrl_c().await) }).await
}
