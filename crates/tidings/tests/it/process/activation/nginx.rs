//! nginx in front of the server, with those lines of deploy/proxies/nginx.conf that matter for a
//! restart.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::support::{http, until};

/// An nginx. Dropping it ends it.
pub(super) struct Nginx {
    master: Child,
    pub(super) address: SocketAddr,
    _directory: TempDir,
}

impl Nginx {
    pub(super) async fn start(address: SocketAddr, upstream: SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let configuration = format!(
            "worker_processes 1; daemon off; pid nginx.pid; error_log stderr crit;
            events {{ worker_connections 512; }}
            http {{
                access_log off;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
                upstream tidings {{ server {upstream} max_fails=0; keepalive 64; }}
                server {{
                    listen {address};
                    location / {{
                        proxy_pass http://tidings;
                        proxy_http_version 1.1;
                        proxy_set_header Connection \"\";
                        proxy_buffering off;
                        proxy_read_timeout 120s;
                    }}
                }}
            }}"
        );
        std::fs::write(directory.path().join("nginx.conf"), configuration).unwrap();
        let mut command = Command::new("nginx");
        command
            .arg("-p")
            .arg(directory.path())
            .args(["-c", "nginx.conf", "-e", "stderr"])
            .stdin(Stdio::null());
        let master = command.spawn().unwrap();
        let nginx = Self {
            master,
            address,
            _directory: directory,
        };
        until(async || {
            let answer = http::attempt(address, "GET", "/health/ready", &[], b"").await;
            answer.is_some_and(|answer| answer.status == 200)
        })
        .await;
        nginx
    }

    /// Has nginx read its configuration again. New workers accept new connections, and the old ones
    /// finish theirs.
    pub(super) fn reload(&self) {
        self.signal("HUP");
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.master.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Not killed, because its workers would go on.
        self.signal("TERM");
        let _ = self.master.wait();
    }
}
