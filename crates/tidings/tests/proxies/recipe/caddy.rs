//! `Caddyfile`, with global options that have it listen elsewhere and keep its own files to itself.

use std::path::Path;

use tokio::process::Command;

use super::{Site, Text};
use crate::child::{Launch, find};
use crate::patience::in_time;

pub(super) fn fit(text: Text, site: &Site) -> String {
    let folder = site.folder.display();
    let global = format!(
        "{{
	admin unix//{folder}/admin.sock
	https_port {}
	http_port {}
	default_bind 127.0.0.1
	skip_install_trust
",
        site.https.number, site.http.number
    );
    let tls = format!(
        "\ttls {} {}",
        site.certificate.display(),
        site.key.display()
    );
    text.put("{\n\t# Global options.\n", global)
        .put(
            "\t# tls /etc/ssl/certs/tidings.pem /etc/ssl/private/tidings.key",
            tls,
        )
        .put("127.0.0.1:3000", site.server.to_string())
        .put_path("/var/log/caddy", &site.folder)
        .0
}

fn program() -> std::ffi::OsString {
    find("caddy", "TIDINGS_CADDY")
}

/// Whether it ends an answer that broke off as if it were complete, as it did before 2.8 (its pull
/// request 5952). Debian 12 has 2.6.
pub(crate) fn finishes_what_breaks_off() -> bool {
    let output = std::process::Command::new(program())
        .arg("version")
        .output()
        .unwrap();
    let version = String::from_utf8(output.stdout).unwrap();
    let mut numbers = version
        .trim_start_matches('v')
        .split('.')
        .map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) < (Some(2), Some(8))
}

pub(super) fn launch(file: &Path, site: &Site) -> Launch {
    let arguments = [
        "run",
        "--adapter",
        "caddyfile",
        "--config",
        file.to_str().unwrap(),
    ];
    Launch::new(program(), arguments)
        .env("XDG_DATA_HOME", &site.folder)
        .env("XDG_CONFIG_HOME", &site.folder)
}

/// Has it take over its file, through its admin's socket.
pub(super) async fn reload(file: &Path, site: &Site) {
    let admin = format!("unix//{}/admin.sock", site.folder.display());
    let mut command = Command::new(program());
    command
        .args([
            "reload",
            "--adapter",
            "caddyfile",
            "--address",
            &admin,
            "--config",
        ])
        .arg(file);
    command
        .env("XDG_DATA_HOME", &site.folder)
        .env("XDG_CONFIG_HOME", &site.folder)
        .kill_on_drop(true);
    let output = in_time(command.output()).await.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
