//! `apache.conf`, with the modules that Debian switches on and those that the file asks for, and
//! compression for everything.

use std::fmt::Write as _;
use std::path::Path;

use super::{Site, Text, deploy};
use crate::child::{Launch, find};

/// Those of Debian's default installation that matter here, and those that the file names.
const MODULES: [&str; 18] = [
    "mpm_event",
    "alias",
    "authz_core",
    "authz_host",
    "deflate",
    "env",
    "filter",
    "headers",
    "http2",
    "lbmethod_byrequests",
    "mime",
    "proxy",
    "proxy_balancer",
    "proxy_http",
    "rewrite",
    "setenvif",
    "slotmem_shm",
    "ssl",
];

pub(super) fn fit(text: Text, site: &Site) -> String {
    let standby = site.folder.join("standby");
    std::fs::create_dir_all(&standby).unwrap();
    std::fs::copy(deploy("busy.sse"), standby.join("busy.sse")).unwrap();
    let text = text
        .put("127.0.0.1:3000", site.server.to_string())
        .put("127.0.0.1:3001", site.standby.address().to_string())
        .put("*:443", format!("127.0.0.1:{}", site.https.number))
        .put_path("/etc/ssl/certs/tidings.pem", &site.certificate)
        .put_path("/etc/ssl/private/tidings.key", &site.key)
        .put_path("/etc/tidings", &standby);
    let folder = site.folder.display();
    let mut main = String::new();
    for module in MODULES {
        let _ = writeln!(
            main,
            "LoadModule {module}_module {}/mod_{module}.so",
            modules()
        );
    }
    let _ = write!(
        main,
        "ServerName localhost
DefaultRuntimeDir {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
TypesConfig /dev/null
User www-data
Group www-data
Listen 127.0.0.1:{}
SetOutputFilter DEFLATE
{}",
        site.https.number, text.0
    );
    main
}

/// Where the modules are.
fn modules() -> String {
    std::env::var("TIDINGS_APACHE_MODULES")
        .unwrap_or_else(|_| "/usr/lib/apache2/modules".to_owned())
}

pub(super) fn launch(file: &Path, site: &Site) -> Launch {
    Launch::new(
        find("apache2", "TIDINGS_APACHE"),
        ["-f".as_ref(), file.as_os_str(), "-DFOREGROUND".as_ref()],
    )
    .env("APACHE_LOG_DIR", &site.folder)
}
