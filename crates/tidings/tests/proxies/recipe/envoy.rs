//! `envoy.yaml`. A reload is Envoy's hot restart: a second process takes the sockets over from the
//! first.

use std::path::Path;

use super::{Site, Text};
use crate::child::{Launch, find};

pub(super) fn fit(text: Text, site: &Site) -> String {
    text.put(
        "address: 0.0.0.0, port_value: 443",
        format!("address: 127.0.0.1, port_value: {}", site.https.number),
    )
    .put(
        "port_value: 3000",
        format!("port_value: {}", site.server.port()),
    )
    .put_path("/etc/ssl/certs/tidings.pem", &site.certificate)
    .put_path("/etc/ssl/private/tidings.key", &site.key)
    .0
}

/// The first process has epoch 0. The one before a new one stops accepting, and is ended after some
/// seconds.
pub(super) fn launch(file: &Path, site: &Site, epoch: u32) -> Launch {
    // Processes that belong together have the same number; two tests at once have different ports.
    let base = site.https.number.to_string();
    let epoch = epoch.to_string();
    let file = file.to_str().unwrap();
    let arguments = [
        "-c",
        file,
        "--base-id",
        &base,
        "--restart-epoch",
        &epoch,
        "--concurrency",
        "1",
        "--log-level",
        "error",
        "--drain-time-s",
        "2",
        "--parent-shutdown-time-s",
        "3",
    ];
    Launch::new(find("envoy", "TIDINGS_ENVOY"), arguments)
}
