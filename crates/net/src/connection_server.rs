//! The state that all connections of a server share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::Router;
use tidings_edge::error::Code;
use tidings_traces::Tracer;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connections::ConnectionTable;
use crate::fair_queue::FairQueue;
use crate::matcher::StreamMatcher;
use crate::unread_output::UnreadOutput;

/// The state that all connections share.
#[derive(Clone)]
pub struct ConnectionServer {
    /// The router of all requests.
    pub router: Router,
    /// What the requests in hyper's lane need.
    pub calls: Arc<Calls>,
    /// Which requests the parked lane takes; `None` if hyper carries everything.
    pub parked_streams: Option<StreamMatcher>,
    /// The size in bytes up to which the head of a request is read.
    pub max_head_bytes: usize,
    /// How long the head of a request may take to arrive.
    pub head_timeout: Duration,
    /// How long a connection is kept without a request.
    pub idle_timeout: Duration,
    /// How long a socket may accept no bytes before its connection is closed.
    pub write_timeout: Duration,
    /// The table of TCP connections.
    pub connection_table: Arc<ConnectionTable>,
    /// Queues the clients that open a stream in the parked lane, and the reading of the events that
    /// they missed.
    pub queue: FairQueue,
    /// Traces requests.
    pub tracer: Tracer,
    /// Tells each connection to end after the request that it is serving.
    pub closing: CancellationToken,
    /// Ends the connections that are left after `closing`, whatever they are doing.
    pub cut: CancellationToken,
    /// The tasks of all connections.
    pub connections: TaskTracker,
}

/// What calls need from the server.
pub struct Calls {
    /// The router of all requests.
    pub router: Router,
    /// The router that answers, in place of the other one, to a head that is too large or can't be
    /// read.
    pub refusals: Router,
    /// The memory budget for answers that clients have not read.
    pub unread_output: Arc<UnreadOutput>,
    /// Called with the code of each refusal that is made below the router.
    pub refused: Box<dyn Fn(Code) + Send + Sync>,
    /// The size in bytes up to which the head of a request is accepted.
    pub max_head_bytes: usize,
    /// Whether each answer over HTTP/1 asks its client to close the connection.
    pub retiring: AtomicBool,
}
