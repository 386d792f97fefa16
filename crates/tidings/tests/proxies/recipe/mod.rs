//! The six configurations of `deploy/proxies`: each file as it is committed, with other ports,
//! paths and certificates, and with `localhost` for the name.
//!
//! Owns the running proxy and its folder. Around each file stands what the machine would have:
//! where that is to be feared, such as compression that is switched on for everything, it is there.

mod apache;
mod caddy;
mod envoy;
mod haproxy;
mod nginx;
mod standby;
mod traefik;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::certificate::{CERTIFICATE, NAME};
use crate::child::{Child, Launch};
use crate::patience::in_time;
use crate::ports::Port;
use crate::server::Server;
use crate::wire::{self, Link, field};

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Apache,
    Caddy,
    Haproxy,
    Traefik,
    Envoy,
}

/// The name in the committed files.
const EXAMPLE: &str = "events.example.com";

/// Where a field of each answer says how often the configuration was changed.
const GENERATION: &str = "x-generation";

/// A configuration that is to be run.
pub(crate) struct Recipe {
    kind: Kind,
    edits: Vec<Edit>,
    /// In place of the committed file.
    other: Option<&'static str>,
}

/// Replaces a text that must be there.
#[derive(Clone)]
pub(crate) struct Edit {
    from: String,
    to: String,
}

/// A proxy that runs. Dropping it kills it.
pub(crate) struct Proxy {
    /// Dropped first, before what they use.
    children: Vec<Child>,
    pub(crate) kind: Kind,
    site: Site,
    edits: Vec<Edit>,
    other: Option<&'static str>,
    generation: u32,
    _standby: Option<Child>,
    folder: TempDir,
}

/// What a configuration is fitted to.
struct Site {
    folder: PathBuf,
    /// Where it listens for HTTPS, for HTTP, and for what stands by.
    https: Port,
    http: Port,
    standby: Port,
    server: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
    /// Both in one file.
    both: PathBuf,
}

/// The text of a committed file on its way to this machine.
struct Text(String);

pub(crate) use caddy::finishes_what_breaks_off;

impl Kind {
    /// The committed files; the first is the one that the proxy is started with.
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Nginx => &["nginx.conf"],
            Self::Apache => &["apache.conf"],
            Self::Caddy => &["Caddyfile"],
            Self::Haproxy => &["haproxy.cfg"],
            Self::Traefik => &["traefik.yaml", "traefik-dynamic.yaml"],
            Self::Envoy => &["envoy.yaml"],
        }
    }

    fn fit(self, name: &str, text: Text, site: &Site) -> String {
        let text = text.put_if_there(EXAMPLE, NAME);
        match self {
            Self::Nginx => nginx::fit(text, site),
            Self::Apache => apache::fit(text, site),
            Self::Caddy => caddy::fit(text, site),
            Self::Haproxy => haproxy::fit(text, site),
            Self::Traefik => traefik::fit(name, text, site),
            Self::Envoy => envoy::fit(text, site),
        }
    }

    fn launch(self, file: &Path, site: &Site) -> Launch {
        match self {
            Self::Nginx => nginx::launch(file, site),
            Self::Apache => apache::launch(file, site),
            Self::Caddy => caddy::launch(file, site),
            Self::Haproxy => haproxy::launch(file, site),
            Self::Traefik => traefik::launch(file),
            Self::Envoy => envoy::launch(file, site, 0),
        }
    }

    /// Has each answer say which generation of the configuration it is of.
    fn generation(self, nth: u32) -> Vec<Edit> {
        let (after, line) = match self {
            Self::Nginx => (
                "proxy_cache off;",
                format!(" add_header {GENERATION} {nth} always;"),
            ),
            Self::Apache => (
                "SetEnv no-brotli 1",
                format!("\n    Header always set {GENERATION} {nth}"),
            ),
            Self::Caddy => (
                "# CHANGE: the address of Tidings.",
                format!("\n\theader {GENERATION} {nth}"),
            ),
            Self::Haproxy => (
                "option forwardfor",
                format!("\n    http-response set-header {GENERATION} {nth}"),
            ),
            Self::Traefik => return traefik::generation(nth),
            Self::Envoy => (
                "domains: [\"*\"]",
                format!(
                    "\n                      response_headers_to_add: \
                     [{{ header: {{ key: {GENERATION}, value: \"{nth}\" }} }}]"
                ),
            ),
        };
        vec![Edit::after(after, &line)]
    }
}

impl Edit {
    pub(crate) fn replace(from: &str, to: &str) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
        }
    }

    pub(crate) fn after(what: &str, line: &str) -> Self {
        Self::replace(what, &format!("{what}{line}"))
    }
}

impl Text {
    fn committed(name: &str) -> Self {
        Self(std::fs::read_to_string(deploy(name)).unwrap())
    }

    /// Replaces what must be there, wherever it is.
    #[track_caller]
    fn put(self, from: &str, to: impl AsRef<str>) -> Self {
        assert!(
            self.0.contains(from),
            "the configuration has no `{from}`:\n{}",
            self.0
        );
        self.put_if_there(from, to)
    }

    fn put_if_there(self, from: &str, to: impl AsRef<str>) -> Self {
        Self(self.0.replace(from, to.as_ref()))
    }

    fn put_path(self, from: &str, to: &Path) -> Self {
        self.put(from, to.to_str().unwrap())
    }
}

/// The path of a committed file.
fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy/proxies")
        .join(name)
}

impl Recipe {
    /// The committed configuration.
    pub(crate) fn of(kind: Kind) -> Self {
        Self {
            kind,
            edits: Vec::new(),
            other: None,
        }
    }

    /// Another text in place of the committed file.
    pub(crate) fn in_place_of_the_file(self, text: &'static str) -> Self {
        Self {
            other: Some(text),
            ..self
        }
    }

    /// The same with a change.
    pub(crate) fn with(mut self, edit: Edit) -> Self {
        self.edits.push(edit);
        self
    }

    /// Starts the proxy in front of a server, which need not be there.
    pub(crate) async fn before(self, server: &Server) -> Proxy {
        self.before_address(server.address()).await
    }

    pub(crate) async fn before_address(self, server: SocketAddr) -> Proxy {
        let Self { kind, edits, other } = self;
        let folder = tempfile::tempdir().unwrap();
        // Workers of some proxies are another user's.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let [certificate, key, both] = CERTIFICATE.write(folder.path());
        let site = Site {
            folder: folder.path().to_owned(),
            https: Port::reserve(),
            http: Port::reserve(),
            standby: Port::reserve(),
            server,
            certificate,
            key,
            both,
        };
        let standby = (kind == Kind::Traefik).then(|| standby::start(&site));
        let mut proxy = Proxy {
            kind,
            site,
            edits,
            other,
            children: Vec::new(),
            generation: 0,
            _standby: standby,
            folder,
        };
        let file = proxy.write();
        let launch = kind.launch(&file, &proxy.site);
        proxy
            .children
            .push(Child::start(&launch, &proxy.folder.path().join("said.log")));
        proxy.until_ready().await;
        proxy
    }
}

impl Proxy {
    pub(crate) fn address(&self) -> SocketAddr {
        self.site.https.address()
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{NAME}:{}", self.site.https.number)
    }

    /// The certificate that vouches for it.
    pub(crate) fn certificate(&self) -> &Path {
        &self.site.certificate
    }

    pub(crate) async fn link(&self) -> Link {
        Link::to(self.address()).await
    }

    /// Writes its files. Returns the path of the first.
    fn write(&self) -> PathBuf {
        let mut texts: Vec<_> = self
            .kind
            .files()
            .iter()
            .map(|name| (*name, self.text(name)))
            .collect();
        let generation = if self.generation > 0 {
            self.kind.generation(self.generation)
        } else {
            Vec::new()
        };
        for Edit { from, to } in self.edits.iter().chain(&generation) {
            let found = texts.iter_mut().filter(|(_, text)| text.0.contains(from));
            let changed = found
                .map(|(_, text)| text.0 = text.0.replace(from, to))
                .count();
            assert!(changed > 0, "no file of {:?} has `{from}`", self.kind);
        }
        for (name, text) in texts {
            // As a whole, so that what watches the file never reads half of it.
            let written = self.site.folder.join("written");
            std::fs::write(&written, self.kind.fit(name, text, &self.site)).unwrap();
            std::fs::rename(written, self.site.folder.join(name)).unwrap();
        }
        self.site.folder.join(self.kind.files()[0])
    }

    fn text(&self, name: &str) -> Text {
        self.other
            .map_or_else(|| Text::committed(name), |text| Text(text.to_owned()))
    }

    async fn until_ready(&self) {
        in_time(async {
            while let Err(error) = wire::answers(self.address()).await {
                let child = self.children.last().unwrap();
                assert!(
                    !child.has_ended(),
                    "{:?} ended: {}\n{error}",
                    self.kind,
                    self.said()
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// Changes the configuration, has the proxy take it over as its manual says, and waits until
    /// new connections show it.
    pub(crate) async fn reload(&mut self) {
        self.generation += 1;
        let file = self.write();
        let running = self.children.last().unwrap();
        match self.kind {
            Kind::Nginx => running.signal(Signal::HUP),
            Kind::Apache => running.signal(Signal::USR1),
            Kind::Haproxy => running.signal(Signal::USR2),
            Kind::Caddy => caddy::reload(&file, &self.site).await,
            Kind::Traefik => {} // it watches its file
            Kind::Envoy => {
                let launch = envoy::launch(&file, &self.site, self.generation);
                self.children
                    .push(Child::start(&launch, &self.folder.path().join("said.log")));
            }
        }
        let generation = self.generation.to_string();
        in_time(async {
            loop {
                if let Ok(link) = Link::try_to(self.address()).await
                    && let Ok(answer) = link.send(http::Method::GET, "/health", &[], "").await
                    && field(&answer.into_parts().0, GENERATION) == Some(&generation)
                {
                    return;
                }
                let running = self.children.last().unwrap();
                assert!(
                    !running.has_ended(),
                    "{:?} ended: {}",
                    self.kind,
                    self.said()
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// What it printed and what stands in its error logs, for a test that fails.
    pub(crate) fn said(&self) -> String {
        let records: Vec<_> = self
            .records()
            .into_iter()
            .map(|(name, text)| format!("== {name}\n{text}"))
            .collect();
        records.join("\n")
    }

    /// Everything that it has written by now, by the name of each file: logs, and what it printed.
    pub(crate) fn records(&self) -> Vec<(String, String)> {
        let mut records = Vec::new();
        for entry in std::fs::read_dir(&self.site.folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_file() && name.ends_with("log") {
                records.push((
                    name,
                    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned(),
                ));
            }
        }
        records
    }

    /// Asks it to end and waits until it has: its logs are complete then.
    pub(crate) async fn stop(&mut self) {
        let running = self.children.last().unwrap();
        running.signal(Signal::TERM);
        in_time(async {
            while !running.has_ended() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}
