//! `haproxy.cfg`, run with a master as Debian's unit does.

use std::path::Path;

use super::{Site, Text, deploy};
use crate::child::{Launch, find};

pub(super) fn fit(text: Text, site: &Site) -> String {
    text.put("127.0.0.1:3000", site.server.to_string())
        .put("bind :443", format!("bind 127.0.0.1:{}", site.https.number))
        .put("bind :80", format!("bind 127.0.0.1:{}", site.http.number))
        .put_path("/etc/haproxy/tidings.pem", &site.both)
        .put_path("/etc/haproxy/busy.http", &deploy("busy.http"))
        .put("log /dev/log local0", "log stdout format raw local0")
        .0
}

pub(super) fn launch(file: &Path, site: &Site) -> Launch {
    let pid = site.folder.join("haproxy.pid");
    let arguments = [
        "-W".as_ref(),
        "-f".as_ref(),
        file.as_os_str(),
        "-p".as_ref(),
        pid.as_os_str(),
    ];
    Launch::new(find("haproxy", "TIDINGS_HAPROXY"), arguments)
}
