//! `traefik.yaml` and `traefik-dynamic.yaml`.

use std::path::Path;

use super::{Edit, GENERATION, Site, Text};
use crate::child::{Launch, find};

pub(super) fn fit(name: &str, text: Text, site: &Site) -> String {
    if name == "traefik.yaml" {
        return text
            .put("\":443\"", format!("\"127.0.0.1:{}\"", site.https.number))
            .put_path("/etc/traefik", &site.folder)
            .0;
    }
    text.put("127.0.0.1:3000", site.server.to_string())
        .put("127.0.0.1:3001", site.standby.address().to_string())
        .put_path("/etc/ssl/certs/tidings.pem", &site.certificate)
        .put_path("/etc/ssl/private/tidings.key", &site.key)
        .0
}

/// A field of its own for all that is no stream.
pub(super) fn generation(nth: u32) -> Vec<Edit> {
    let middleware = format!(
        "    generation-{nth}:\n      headers:\n        customResponseHeaders:\n          \
         {GENERATION}: \"{nth}\"\n"
    );
    vec![
        Edit::after(
            "    tidings:\n      rule: \"Host(`events.example.com`)\"\n",
            &format!("      middlewares: [generation-{nth}]\n"),
        ),
        Edit::after("  middlewares:\n", &middleware),
    ]
}

pub(super) fn launch(file: &Path) -> Launch {
    Launch::new(
        find("traefik", "TIDINGS_TRAEFIK"),
        [format!("--configFile={}", file.display())],
    )
}
