//! The servers that are compared.
//!
//! Owns how each is started, its paths for streams and publishes, and the body of an event. Events
//! are padded so that each server writes the same number of bytes for one. Must never tune one of
//! the servers in a way that its users would not.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;

use super::nchan;
use crate::process;

/// The number of bytes that each server should write for an event, including its framing. Tidings'
/// smallest notification takes about 196.
pub(super) const EVENT_BYTES: usize = 210;

/// A demo token of the user `bench` with the role `admin`.
const DEMO: &str = "YmVuY2g6YmVuY2g6YmVuY2hAZXhhbXBsZS5jb206YWRtaW4=";
/// The key of the tokens that are verified in some cases.
const SECRET: &str = "measured-on-loopback-and-nowhere-else";
const SUB: &str = "bench";

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, ValueEnum)]
pub(super) enum Contender {
    Tidings,
    Hyper,
    Nchan,
    Axum,
    Floor,
}

/// How a stream of Tidings authenticates. The other servers require no authentication.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Access {
    #[default]
    Demo,
    Hs256,
    /// Each stream belongs to another user, and has a demo token.
    EachAnother,
}

/// The addresses that the load generator uses, and its token.
pub(super) struct Endpoints {
    pub(super) url: String,
    pub(super) stream: &'static str,
    /// A stream that receives none of the published events.
    pub(super) elsewhere: &'static str,
    pub(super) publish: &'static str,
    pub(super) token: Option<String>,
}

impl Contender {
    pub(super) const ALL: [Self; 5] = [
        Self::Tidings,
        Self::Hyper,
        Self::Nchan,
        Self::Axum,
        Self::Floor,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Tidings => "Tidings",
            Self::Hyper => "Tidings, hyper's lane",
            Self::Nchan => "nchan",
            Self::Axum => "axum `Sse`",
            Self::Floor => "floor: bare `send()`",
        }
    }

    pub(super) fn is_tidings(self) -> bool {
        matches!(self, Self::Tidings | Self::Hyper)
    }

    /// Returns the number of its processes once it runs.
    pub(super) fn processes(self) -> usize {
        // nchan has a master process and one worker.
        if self == Self::Nchan { 2 } else { 1 }
    }

    /// Returns the command that runs this server in `folder`, its own empty folder, on `port` of
    /// the loopback address.
    pub(super) fn command(self, folder: &Path, port: u16) -> Result<Command> {
        let address = format!("127.0.0.1:{port}");
        Ok(match self {
            Self::Tidings => tidings(port, "parked")?,
            Self::Hyper => tidings(port, "hyper")?,
            Self::Nchan => nchan::command(folder, port)?,
            Self::Axum => {
                let mut command = built("bench-axum-sse")?;
                command.arg(address);
                command
            }
            Self::Floor => {
                let mut command = built("bench-floor")?;
                command.arg(address);
                command
            }
        })
    }

    pub(super) fn endpoints(self, port: u16, access: Access) -> Result<Endpoints> {
        let url = format!("http://127.0.0.1:{port}");
        if !self.is_tidings() {
            return Ok(Endpoints {
                url,
                stream: "/stream",
                elsewhere: "/elsewhere",
                publish: "/publish",
                token: None,
            });
        }
        let token = match access {
            Access::Demo | Access::EachAnother => DEMO.to_owned(),
            Access::Hs256 => process::ask(built("tidings")?.args([
                "token",
                "--sub",
                SUB,
                "--role",
                "admin",
                "--jwt-secret",
                SECRET,
            ]))?,
        };
        Ok(Endpoints {
            url,
            stream: "/notifications/stream",
            elsewhere: "/realtime/stream",
            publish: "/notifications/broadcast",
            token: Some(token),
        })
    }

    /// Returns the body that publishes an event, `padding` bytes longer than the minimum.
    pub(super) fn body(self, padding: usize) -> String {
        let padding = "m".repeat(padding);
        if self.is_tidings() {
            format!(r#"{{"title":"T","message":"m{padding}","ts":{{ts}}}}"#)
        } else {
            format!(r#"{{"message":"m{padding}","ts":{{ts}}}}"#)
        }
    }
}

/// Returns a command for a program of this workspace, which `build` has built.
pub(super) fn built(name: &str) -> Result<Command> {
    Ok(Command::new(
        process::target()?.join(super::PROFILE).join(name),
    ))
}

/// Returns a command for Tidings with its default settings, except for limits that would refuse a
/// crowd which connects as one user from one address, or end a reader that a busy machine makes
/// slow.
fn tidings(port: u16, lane: &str) -> Result<Command> {
    let mut command = built("tidings")?;
    command.envs([
        ("PORT", port.to_string().as_str()),
        ("HOST", "127.0.0.1"),
        ("NODE_ENV", "development"),
        ("JOURNAL", "memory"),
        ("STREAM_LANE", lane),
        ("JWT_SECRET", SECRET),
        ("MAX_CONNECTIONS_PER_USER", "100000000"),
        // A reader that is stalled on purpose must not be ended.
        ("MAX_LAG_BYTES", "2MiB"),
        ("WRITE_TIMEOUT", "5m"),
        ("DRAIN_SECONDS", "0"),
    ]);
    Ok(command)
}
