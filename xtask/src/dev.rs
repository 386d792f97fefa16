//! `cargo xtask dev`: runs the server, and rebuilds and restarts it on each change, without closing
//! its port.
//!
//! Owns the loop: it waits for a change, builds, and replaces the running server only if the build
//! succeeded. This process opens the sockets and keeps them, and each server inherits them
//! ([`sockets`]). While no server runs, connections wait in the kernel's backlog. None is refused,
//! so an open page only sees its streams reconnect. Must never end a working server because of a
//! failed build.

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

/// ctrl-c ends the server and this command. Settings come from the environment, `.env` and
/// `tidings.toml` as usual, except that `DRAIN_SECONDS` is 0.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The port to listen on, on both loopback addresses.
    #[arg(long, env = "PORT", default_value_t = 3000)]
    port: u16,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let sockets = Sockets::bind(options.port)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
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

/// Follows the changes. Returns only an error.
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
                status = server.ended() => eprintln!("dev: the server ended ({}); waiting for a \
                    change", status?),
            }
        }
    }
}

/// Builds the server, and returns whether that succeeded. cargo prints what is wrong. The build is
/// killed when the future is dropped.
async fn build() -> Result<bool> {
    let mut cargo = process::cargo("build")?;
    cargo
        .args(["--package", "tidings", "--bin", "tidings"])
        .stdin(Stdio::null());
    let mut cargo = tokio::process::Command::from(cargo);
    Ok(cargo
        .kill_on_drop(true)
        .status()
        .await
        .context("cargo did not start")?
        .success())
}
