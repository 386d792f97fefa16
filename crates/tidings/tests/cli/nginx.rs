//! A real nginx before a server, configured as a test says.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, KeyPair};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::process::{Child, Command};

use crate::support::in_time;

/// It lives as long as its test.
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    _child: Child,
    folder: TempDir,
}

impl Nginx {
    /// What the README tells people to write.
    pub(crate) const RIGHT: &str = "proxy_http_version 1.1; proxy_set_header Connection \"\";";

    /// nginx with these lines in its location.
    pub(crate) async fn before(server: SocketAddr, lines: &str) -> Self {
        Self::start(tempfile::tempdir().unwrap(), "", server, lines).await
    }

    /// The same over TLS and HTTP/2, with a certificate for `name` that nobody but itself vouches
    /// for.
    pub(crate) async fn with_tls_for(name: &str, server: SocketAddr, lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        std::fs::write(
            folder.path().join("certificate.pem"),
            params.self_signed(&key).unwrap().pem(),
        )
        .unwrap();
        std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        // As nginx has it since long ago. Newer ones would like `http2 on;` better, which older
        // ones don't know.
        Self::start(folder, "ssl http2", server, lines).await
    }

    /// Of one with TLS: what vouches for it.
    pub(crate) fn certificate(&self) -> String {
        self.folder
            .path()
            .join("certificate.pem")
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// It takes no port 0. So it listens on a socket in its own folder, and a free port is
    /// forwarded to that.
    async fn start(folder: TempDir, listen: &str, server: SocketAddr, lines: &str) -> Self {
        let socket = folder.path().join("nginx.sock");
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, configuration(&socket, listen, server, lines)).unwrap();
        let child = Command::new(find())
            .arg("-p")
            .arg(folder.path())
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        in_time(async {
            while UnixStream::connect(&socket).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, socket.clone()));
            }
        });
        Self {
            address,
            _child: child,
            folder,
        }
    }
}

async fn forward(mut client: TcpStream, socket: PathBuf) {
    if let Ok(mut nginx) = UnixStream::connect(socket).await {
        let _ = copy_bidirectional(&mut client, &mut nginx).await;
    }
}

/// One process, so that its end is the end of all of it.
fn configuration(socket: &Path, listen: &str, server: SocketAddr, lines: &str) -> String {
    let certificate = if listen.is_empty() {
        ""
    } else {
        "ssl_certificate certificate.pem; ssl_certificate_key key.pem;"
    };
    format!(
        "daemon off; master_process off; pid nginx.pid; error_log error.log warn;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen unix:{} {listen};
    {certificate}
    location / {{ proxy_pass http://{server}; {lines} }}
  }}
}}
",
        socket.display()
    )
}

/// Debian has it in a folder that is not on everybody's path.
fn find() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.find_map(|folder| Some(folder.join("nginx")).filter(|file| file.is_file()));
    found.expect("nginx is not there; `cargo xtask test` says what brings it")
}
