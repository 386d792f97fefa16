//! What Traefik asks while no server is there: `traefik-standby.conf`, run by nginx.

use std::path::Path;

use super::{Site, Text, nginx};
use crate::child::Child;

/// Starts it. Dropping it ends it.
pub(super) fn start(site: &Site) -> Child {
    let text = Text::committed("traefik-standby.conf")
        .put("127.0.0.1:3001", site.standby.address().to_string());
    let file = site.folder.join("standby.conf");
    std::fs::write(&file, nginx::around(&text.0, site)).unwrap();
    Child::start(
        &nginx::launch(Path::new(&file), site),
        &site.folder.join("standby-said.log"),
    )
}
