//! `tidings publish`: publishes one event to a running server.
//!
//! Owns the requests, and repeats a call whose answer was lost. That is safe, because every attempt
//! has the same `Idempotency-Key`. The server checks the fields; its answer names each invalid one.

use std::io::{Read as _, Write};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use form_urlencoded::Serializer;
use http::HeaderValue;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use tidings_client::Failure;

use super::backoff::wait;
use super::remote::Remote;
use super::terminal::{plain_json, say};

/// The number of attempts after which a call has failed.
const ATTEMPTS: u32 = 5;

/// The first wait between two attempts.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest wait; if the server asks for more, there is no further attempt.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// What to publish and where.
#[derive(clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(super) struct Arguments {
    #[command(flatten)]
    remote: Remote,

    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Send a notification to everybody, or to one user
    Notification {
        /// 1 to 200 characters.
        #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
        title: String,

        /// 1 to 10,000 characters.
        #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
        message: String,

        /// `info`, `success`, `warning` or `error`.
        #[arg(long = "type", value_name = "TYPE", default_value = "info")]
        kind: String,

        /// The id of the one user to send it to.
        #[arg(long, value_name = "USER")]
        to: Option<String>,
    },

    /// Publish to everybody, or to one user, that an entity has changed
    Update {
        /// What changed, such as `order`.
        #[arg(long, value_name = "NAME")]
        entity: String,

        /// `create`, `update` or `delete`.
        #[arg(long, value_name = "ACTION")]
        action: String,

        /// The entity, or its changed fields, as JSON.
        #[arg(long, value_name = "JSON", value_parser = parse_json, allow_hyphen_values = true)]
        data: Box<RawValue>,

        /// The id of the one user to publish to.
        #[arg(long, value_name = "USER")]
        to: Option<String>,
    },

    /// Post a message in a chat room
    Message {
        /// The room.
        #[arg(long, value_name = "ROOM")]
        room: String,

        /// 1 to 4,000 characters.
        #[arg(value_name = "TEXT")]
        text: String,
    },

    /// Set the status of a service
    Status {
        /// The service, such as `db`.
        #[arg(long, value_name = "NAME")]
        service: String,

        /// `online`, `offline`, `degraded` or `maintenance`.
        #[arg(long, value_name = "STATUS")]
        status: String,

        /// A message for people.
        #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
        message: Option<String>,
    },

    /// Post JSON to a path of the server
    Raw {
        /// The path, such as `/realtime/entity/order/create`, with its query if it has one.
        #[arg(value_name = "PATH")]
        path: String,

        /// The body, or `-` to read it from standard input; by default the call has none.
        #[arg(value_name = "JSON", allow_hyphen_values = true)]
        body: Option<String>,
    },
}

/// `data` is sent as it was written, so that no digit of a number is lost.
#[derive(Serialize)]
struct Update<'a> {
    entity: &'a str,
    action: &'a str,
    data: &'a RawValue,
}

/// Publishes, and writes the server's answer as a line.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    let (path, body) = arguments.what.request()?;
    let client = arguments.remote.client()?;
    let key = HeaderValue::try_from(format!("{:032x}", rand::random::<u128>()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = runtime.block_on(with_retries(async || {
        client.post(&path, body.clone(), &key).await
    }))?;
    writeln!(out, "{}", plain_json(&String::from_utf8_lossy(&answer)))?;
    Ok(())
}

/// Repeats a call as long as its failure may be temporary, up to [`ATTEMPTS`] times.
async fn with_retries(call: impl AsyncFn() -> Result<Bytes, Failure>) -> Result<Bytes, Failure> {
    let mut failures = 0;
    loop {
        let failure = match call().await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        failures += 1;
        let asked = failure.retry_after();
        if failures == ATTEMPTS || asked > MAX_WAIT || !failure.is_temporary() {
            return Err(failure);
        }
        let pause = wait(FIRST_WAIT, MAX_WAIT, failures, rand::random()).max(asked);
        say(&format!(
            "{failure}; trying again in {:.1} s",
            pause.as_secs_f64()
        ));
        tokio::time::sleep(pause).await;
    }
}

impl What {
    /// Returns the path and the body.
    fn request(&self) -> anyhow::Result<(String, Bytes)> {
        let (path, body) = match self {
            Self::Notification {
                title,
                message,
                kind,
                to,
            } => {
                let body = json!({ "title": title, "message": message, "type": kind });
                (
                    with_target("/notifications/send", to.as_deref()),
                    body.to_string(),
                )
            }
            Self::Update {
                entity,
                action,
                data,
                to,
            } => {
                let body = serde_json::to_string(&Update {
                    entity,
                    action,
                    data,
                })?;
                (with_target("/realtime/update", to.as_deref()), body)
            }
            Self::Message { room, text } => {
                let body = json!({ "roomId": room, "message": text, "type": "text" });
                ("/chat/message".to_owned(), body.to_string())
            }
            Self::Status {
                service,
                status,
                message,
            } => {
                let mut body = json!({ "service": service, "status": status });
                if let Some(message) = message {
                    body["message"] = json!(message);
                }
                ("/system/status/update".to_owned(), body.to_string())
            }
            Self::Raw { path, body } => {
                let body = body.as_deref().map(read).transpose()?;
                return Ok((path.clone(), body.unwrap_or_default()));
            }
        };
        Ok((path, body.into()))
    }
}

/// Adds the user to whom a call publishes to its path. An empty user is sent too, so that the
/// server refuses it: a script whose variable is empty must not publish to everybody.
pub(super) fn with_target(path: &str, target: Option<&str>) -> String {
    target.map_or_else(
        || path.to_owned(),
        |user| {
            format!(
                "{path}?{}",
                Serializer::new(String::new())
                    .append_pair("targetUserId", user)
                    .finish()
            )
        },
    )
}

/// Returns a body from the command line, or from standard input.
fn read(body: &str) -> anyhow::Result<Bytes> {
    if body != "-" {
        return Ok(Bytes::copy_from_slice(body.as_bytes()));
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .context("standard input can't be read")?;
    Ok(bytes.into())
}

/// Parses a text that is one JSON value.
fn parse_json(text: &str) -> Result<Box<RawValue>, String> {
    serde_json::from_str(text).map_err(|error| format!("this is not JSON: {error}"))
}

#[cfg(test)]
mod tests;
