//! The real binary, with a standard error that the test chooses.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::support::binary::Place;
use crate::support::stream::Stream;
use crate::support::{ADMIN, Answer, http, in_time, until};

/// A server of which the test knows nothing but the address. Dropping it kills the server.
pub(super) struct Bare {
    child: Child,
    place: Place,
    pub(super) address: SocketAddr,
}

impl Bare {
    /// Starts a server whose standard error is `stderr`, and waits until it answers. The shell
    /// first does what `first` says, such as a redirection (`2>/dev/full`) or a limit.
    pub(super) async fn start(place: Place, stderr: impl Into<Stdio>, first: &str) -> Self {
        // The test binds the socket, because nobody can read the address from a banner that is not
        // shown. The shell moves the socket from standard input to the first descriptor of
        // systemd's protocol.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (mut command, place) = place.env("LISTEN_FDS", "1").command_in(|inner| {
            let mut command = Command::new("sh");
            command.args(["-c", &format!(r#"{first} exec "$0" "$@" 3<&0 </dev/null"#)]);
            command
                .arg(inner.get_program())
                .args(inner.get_args())
                .env_clear();
            command.envs(
                inner
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
            command.current_dir(inner.get_current_dir().unwrap());
            command
        });
        command
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::null())
            .stderr(stderr);
        let server = Self {
            child: command.spawn().unwrap(),
            place,
            address,
        };
        until(async || server.get("/health/live").await.status == 200).await;
        server
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        in_time(http::request(self.address, "GET", path, &[], b"")).await
    }

    /// Opens a stream and reads its `connected` event.
    pub(super) async fn stream(&self) -> Stream {
        let accept = [("Accept", "text/event-stream")];
        let mut stream =
            in_time(Stream::open(self.address, "/notifications/stream", &accept)).await;
        stream.expect("connected").await;
        stream
    }

    /// Makes a `POST` as an admin, without a body.
    pub(super) async fn post(&self, path: &str) -> Answer {
        let bearer = format!("Bearer {ADMIN}");
        in_time(http::request(
            self.address,
            "POST",
            path,
            &[("Authorization", &bearer)],
            b"",
        ))
        .await
    }

    /// Writes a file in the server's directory.
    pub(super) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.place.path().join(name), content).unwrap();
    }

    /// The server's directory.
    pub(super) fn path(&self) -> &std::path::Path {
        self.place.path()
    }

    /// What the server has printed, if its standard error is the file `log` in its directory.
    pub(super) fn said(&self) -> String {
        std::fs::read_to_string(self.place.path().join("log")).unwrap()
    }

    /// The value of one of its metrics.
    pub(super) async fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").await.text();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .parse()
            .unwrap()
    }

    /// The process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal (`TERM`, `HUP`).
    pub(super) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits until it has ended.
    pub(super) async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until(async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
