//! nginx with nchan, as Debian packages them.
//!
//! Owns its configuration: one worker, messages in memory only, and as many connections as there
//! are descriptors. Must never use the machine's own configuration or any of its folders.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, getrlimit};

use crate::process;

const MODULE: &str = "ngx_nchan_module.so";

/// Returns a command that runs nginx in the foreground, with all of its files in `folder`.
pub(super) fn command(folder: &Path, port: u16) -> Result<Command> {
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration(&module()?, port, descriptors()))?;
    let mut command = Command::new(nginx()?);
    command
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(file)
        .args(["-e", "error.log"]);
    Ok(command)
}

/// Checks that both are present.
///
/// # Errors
/// Returns what is missing.
pub(crate) fn look() -> Result<()> {
    module().map(drop)
}

/// Checks that nginx is present. As a proxy in front of a server it needs no module.
///
/// # Errors
/// Returns why it is missing.
pub(crate) fn look_for_nginx() -> Result<()> {
    build_information().map(drop)
}

/// Returns the versions of both, in their own words.
pub(super) fn version() -> Result<String> {
    let nginx = build_information()?
        .lines()
        .next()
        .unwrap_or_default()
        .replace("nginx version: nginx/", "nginx ");
    let query = ["-W", "-f", "${Version}", "libnginx-mod-nchan"];
    // Only the package contains the version of the module, which has no way to print it.
    let nchan = process::ask(Command::new("dpkg-query").args(query))
        .unwrap_or_else(|_| "of unknown version".to_owned());
    Ok(format!("{nginx}, nchan {nchan}"))
}

fn configuration(module: &Path, port: u16, descriptors: u64) -> String {
    let connections = descriptors.saturating_sub(64);
    let subscriber = "nchan_subscriber eventsource; nchan_channel_id $channel; \
                      nchan_subscriber_first_message newest; nchan_eventsource_ping_interval 25; \
                      nchan_eventsource_ping_event heartbeat;";
    format!(
        "load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile {descriptors};
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_buffer_size 256k;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  nchan_shared_memory_size 256M;
  nchan_message_timeout 5m;
  nchan_message_buffer_length 10000;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /publish {{ nchan_publisher; nchan_channel_id all; }}
    location = /stream {{ set $channel all; {subscriber} }}
    location = /elsewhere {{ set $channel other; {subscriber} }}
  }}
}}
",
        module = module.display()
    )
}

/// Returns the number of descriptors for the worker, which is as many as this machine permits a
/// process.
fn descriptors() -> u64 {
    getrlimit(Resource::Nofile)
        .maximum
        .unwrap_or(1_048_576)
        .min(1_048_576)
}

/// Finds nginx. Debian installs it in a folder that is not in every user's path.
fn nginx() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders
        .find_map(|folder| Some(folder.join("nginx")).filter(|file| file.is_file()))
        .context("nginx is not there")
}

fn module() -> Result<PathBuf> {
    let information = build_information()?;
    let folder = information
        .split_whitespace()
        .find_map(|argument| argument.strip_prefix("--modules-path="));
    let module = Path::new(folder.context("this nginx takes no modules")?).join(MODULE);
    ensure!(module.is_file(), "{MODULE} is not there");
    Ok(module)
}

/// Returns how nginx was built, which it prints on standard error.
fn build_information() -> Result<String> {
    let output = Command::new(nginx()?)
        .arg("-V")
        .output()
        .context("nginx does not start")?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_listens_on_loopback_and_keeps_room_for_its_own_descriptors() {
        let text = configuration(Path::new("/modules/nchan.so"), 4_242, 20_000);
        for line in [
            "load_module /modules/nchan.so;",
            "worker_processes 1;",
            "worker_connections 19936;",
            "listen 127.0.0.1:4242 ",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
