//! What the server reports to systemd over `NOTIFY_SOCKET`; and that nothing depends on whether the
//! reports are read.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::SocketAddr;

use serde_json::json;
use tokio::net::UnixDatagram;

use super::support::Bare;
use crate::support::binary::Place;
use crate::support::{in_time, until};

/// The service manager's end of `NOTIFY_SOCKET`.
struct Manager {
    socket: UnixDatagram,
    /// The name of the socket in the environment.
    name: String,
}

/// A message, which consists of assignments.
struct Message(String);

impl Manager {
    fn at(path: &std::path::Path) -> Self {
        Self {
            socket: UnixDatagram::bind(path).unwrap(),
            name: path.to_str().unwrap().to_owned(),
        }
    }

    /// Binds a socket in the abstract namespace, which is in no directory.
    fn abstractly(name: &str) -> Self {
        let name = format!("tidings-test-{}-{name}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = std::os::unix::net::UnixDatagram::bind_addr(&address).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self {
            socket: UnixDatagram::from_std(socket).unwrap(),
            name: format!("@{name}"),
        }
    }

    async fn next(&self) -> Message {
        let mut message = [0; 4096];
        let length = in_time(self.socket.recv(&mut message)).await.unwrap();
        Message(String::from_utf8(message[..length].to_vec()).unwrap())
    }

    /// The next message that contains more than a status.
    async fn change(&self) -> Message {
        loop {
            let message = self.next().await;
            if message.0.lines().any(|line| !line.starts_with("STATUS=")) {
                return message;
            }
        }
    }
}

impl Message {
    #[track_caller]
    fn value(&self, name: &str) -> &str {
        let value = self
            .0
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {name} in {:?}", self.0))
    }
}

/// Starts a server that reports to `manager`. Its log is a file.
async fn serve(place: Place, manager: &Manager) -> Bare {
    let log = std::fs::File::create(place.path().join("log")).unwrap();
    Bare::start(
        place
            .env("DRAIN_SECONDS", "0")
            .env("NOTIFY_SOCKET", &manager.name),
        log,
        "",
    )
    .await
}

#[tokio::test]
async fn systemd_is_notified_of_the_start_of_reloads_and_of_the_stop() {
    let directory = tempfile::tempdir().unwrap();
    let manager = Manager::at(&directory.path().join("notify"));
    let mut server = serve(Place::new(), &manager).await;
    assert_eq!(manager.next().await.value("STATUS"), "opening the journal");
    let ready = manager.change().await;
    assert_eq!(ready.value("READY"), "1");
    assert!(ready.value("STATUS").starts_with("0 of "), "{}", ready.0);
    assert_eq!(server.get("/health/ready").await.status, 200);

    for by_signal in [true, false] {
        if by_signal {
            server.signal("HUP");
        } else {
            assert_eq!(server.post("/system/reload").await.status, 200);
        }
        let reloading = manager.change().await;
        assert_eq!(reloading.value("RELOADING"), "1");
        assert!(reloading.value("MONOTONIC_USEC").parse::<u64>().unwrap() > 0);
        assert_eq!(manager.change().await.value("READY"), "1");
    }
    server.write(".env", "LOG_LEVEL=loud,\n");
    assert_eq!(server.post("/system/reload").await.status, 400);
    assert_eq!(manager.change().await.value("RELOADING"), "1");
    let refused = manager.change().await;
    assert_eq!(refused.value("READY"), "1", "it goes on as before");
    assert!(
        refused
            .value("STATUS")
            .ends_with("; the last reload was refused, see the log"),
        "{}",
        refused.0
    );

    let mut stream = server.stream().await;
    server.signal("TERM");
    let stopping = manager.change().await;
    assert_eq!(stopping.value("STOPPING"), "1");
    assert_eq!(
        stopping.value("EXTEND_TIMEOUT_USEC"),
        "40000000",
        "SHUTDOWN_TIMEOUT and ten seconds"
    );
    assert_eq!(stopping.value("STATUS"), "draining, 1 streams left");
    stream.expect("draining").await;
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn an_abstract_socket_is_notified_and_the_watchdog_repeatedly() {
    let manager = Manager::abstractly("watchdog");
    let place = Place::new().env("WATCHDOG_USEC", "100000");
    let server = serve(place, &manager).await;
    assert_eq!(manager.change().await.value("READY"), "1");
    let _stream = server.stream().await;
    let mut open = None;
    for _ in 0..3 {
        let alive = manager.change().await;
        assert_eq!(alive.value("WATCHDOG"), "1");
        open = alive.value("STATUS").split(' ').next().map(str::to_owned);
    }
    assert!(matches!(open.as_deref(), Some("0" | "1")), "{open:?}");
    until(async || manager.change().await.value("STATUS").starts_with("1 of ")).await;
}

#[tokio::test]
async fn systemd_is_notified_of_a_drain_by_a_call_too() {
    let manager = Manager::abstractly("drain");
    let mut server = serve(Place::new(), &manager).await;
    assert_eq!(manager.change().await.value("READY"), "1");
    assert_eq!(server.post("/system/drain").await.status, 202);
    assert_eq!(manager.change().await.value("STOPPING"), "1");
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn invalid_values_cause_warnings_and_change_nothing() {
    for (name, value, said) in [
        (
            "NOTIFY_SOCKET",
            "notify.sock",
            "is neither an absolute path nor the name of an abstract socket",
        ),
        (
            "NOTIFY_SOCKET",
            "vsock:2:1234",
            "is neither an absolute path nor the name of an abstract socket",
        ),
        (
            "NOTIFY_SOCKET",
            "/nonexistent/notify",
            "messages can't be sent to the service manager",
        ),
        (
            "NOTIFY_SOCKET",
            "@tidings-nobody-listens-here",
            "messages can't be sent to the service manager",
        ),
    ] {
        let place = Place::new()
            .env("DRAIN_SECONDS", "0")
            .env(name, value)
            .env("WATCHDOG_USEC", "20000");
        let log = std::fs::File::create(place.path().join("log")).unwrap();
        let mut server = Bare::start(place, log, "").await;
        until(async || server.said().contains(said)).await;
        assert_eq!(server.post("/system/reload").await.status, 200);
        assert_eq!(
            server.said().matches("NOTIFY_SOCKET").count(),
            1,
            "once: {}",
            server.said()
        );
        server.signal("TERM");
        assert_eq!(server.ended().await.code(), Some(0));
    }
    let manager = Manager::abstractly("odd");
    let mut server = serve(Place::new().env("WATCHDOG_USEC", "3s"), &manager).await;
    assert_eq!(manager.change().await.value("READY"), "1");
    until(async || {
        server
            .said()
            .contains("WATCHDOG_USEC=3s is not a positive number")
    })
    .await;
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_service_manager_that_reads_nothing_delays_nothing() {
    let manager = Manager::abstractly("deaf");
    // Sends far more messages than the queue of the socket takes (`net.unix.max_dgram_qlen`), and
    // reads none.
    let mut server = serve(Place::new().env("WATCHDOG_USEC", "2000"), &manager).await;
    until(async || {
        server
            .said()
            .contains("messages can't be sent to the service manager")
    })
    .await;
    assert_eq!(
        server.post("/system/reload").await.json()["changed"],
        json!([])
    );
    let mut stream = server.stream().await;
    server.signal("TERM");
    stream.expect("draining").await;
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn variables_of_systemd_are_not_reported_as_misspelled_settings() {
    let place = [
        ("JOURNAL_STREAM", "8:12345"),
        ("INVOCATION_ID", "0123456789abcdef0123456789abcdef"),
        ("SYSTEMD_EXEC_PID", "1"),
        ("STATE_DIRECTORY", "/var/lib/tidings"),
        ("CONFIGURATION_DIRECTORY", "/etc/tidings"),
        ("LOGS_DIRECTORY", "/var/log/tidings"),
        ("CREDENTIALS_DIRECTORY", "/run/credentials/tidings.service"),
        ("MEMORY_PRESSURE_WATCH", "/sys/fs/cgroup/memory.pressure"),
        ("LISTEN_FDNAMES", "tidings.socket"),
        ("WATCHDOG_PID", "1"),
        ("LOGNAME", "tidings"),
        ("USER", "tidings"),
        ("SHELL", "/usr/sbin/nologin"),
    ]
    .into_iter()
    .fold(Place::new(), |place, (name, value)| place.env(name, value));
    let said = place.start(&[]).last_words();
    assert!(!said.contains("WARN"), "{said}");
}

#[tokio::test]
async fn nothing_inherits_the_socket_as_the_server_starts_no_process() {
    let manager = Manager::abstractly("children");
    let server = serve(Place::new(), &manager).await;
    assert_eq!(manager.change().await.value("READY"), "1");
    server.post("/system/reload").await;
    server.stream().await;
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
    for task in tasks {
        // The thread may have ended in the meantime.
        let children =
            std::fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default();
        assert_eq!(children, "");
    }
}
