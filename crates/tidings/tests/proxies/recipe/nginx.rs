//! `nginx.conf`, included from a main file such as Debian's, which compresses.

use std::net::TcpListener;
use std::path::Path;

use super::{Site, Text};
use crate::child::{Launch, find};

pub(super) fn fit(text: Text, site: &Site) -> String {
    let (https, http) = (site.https.number, site.http.number);
    let text = text
        .put("127.0.0.1:3000", site.server.to_string())
        .put_path("/etc/ssl/certs/tidings.pem", &site.certificate)
        .put_path("/etc/ssl/private/tidings.key", &site.key)
        .put_path("/var/log/nginx", &site.folder)
        .put("listen 443 ssl", format!("listen 127.0.0.1:{https} ssl"))
        .put("listen 80;", format!("listen 127.0.0.1:{http};"));
    let text = if TcpListener::bind("[::1]:0").is_ok() {
        text.put("listen [::]:443 ssl", format!("listen [::1]:{https} ssl"))
            .put("listen [::]:80;", format!("listen [::1]:{http};"))
    } else {
        // The machine has no IPv6, and nginx would not start.
        text.put("listen [::]:443 ssl http2;", "")
            .put("listen [::]:80;", "")
    };
    around(&text.0, site)
}

/// The main file around what stands in `conf.d`.
pub(super) fn around(included: &str, site: &Site) -> String {
    let folder = site.folder.display();
    format!(
        "daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/main-error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1;
{included}
}}
"
    )
}

pub(super) fn launch(file: &Path, site: &Site) -> Launch {
    let log = site.folder.join("start-error.log");
    Launch::new(
        find("nginx", "TIDINGS_NGINX"),
        [
            "-e".as_ref(),
            log.as_os_str(),
            "-c".as_ref(),
            file.as_os_str(),
        ],
    )
}
