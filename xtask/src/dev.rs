//! `cargo xtask dev`: the server, rebuilt and restarted on each change without giving up its port.
//!
//! Owns the loop: wait for a change, build, and only where that succeeded replace the running server. This process binds
//! the sockets and keeps them; the servers that come and go inherit them ([`sockets`]). While none runs, connections wait in
//! the kernel's backlog: none is refused, so an open page only sees its streams come back. Must never end a server that
//! works for a build that does not.

mod changes;
mod server;
mod sockets;

use std::process::Stdio;

use anyhow::{Context as _, Result};
use tokio::{runtime, select};

use changes::Changes;
use server::Server;
use sockets::Sockets;

use crate::process;

/// ctrl-c ends the server and this command. Settings come from the environment, `.env` and `tidings.toml` as usual, except
/// that `DRAIN_SECONDS` is 0.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where to listen, on both loopback addresses.
    #[arg(long, env = "PORT", default_value_t = 3000)]
    port: u16,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let sockets = Sockets::bind(options.port)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut changes = Changes::watch(&process::root()?)?;
        let mut server = Server::new(sockets)?;
        let outcome = select! {
            outcome = follow(&mut changes, &mut server) => outcome,
            outcome = process::end_asked() => outcome,
        };
        server.stop().await?;
        outcome
    })
}

/// Ends only with an error.
async fn follow(changes: &mut Changes, server: &mut Server) -> Result<()> {
    loop {
        if build().await? {
            server.replace().await?;
        } else if server.is_running() {
            eprintln!("dev: the server from before still runs");
        }
        loop {
            select! {
                () = changes.next() => break,
                status = server.ended() => eprintln!("dev: the server ended ({}); waiting for a change", status?),
            }
        }
    }
}

/// Whether the build succeeded; what is wrong, cargo has shown. Killed when this is dropped.
async fn build() -> Result<bool> {
    let mut cargo = process::cargo("build")?;
    cargo.args(["--package", "tidings", "--bin", "tidings"]).stdin(Stdio::null());
    let mut cargo = tokio::process::Command::from(cargo);
    Ok(cargo.kill_on_drop(true).status().await.context("cargo did not start")?.success())
}
