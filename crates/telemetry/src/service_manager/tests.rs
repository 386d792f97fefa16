use std::os::unix::net::UnixDatagram;

use super::*;

/// The receiving end of a service manager, and the notifier of an environment that names it.
fn connected(more: &[(&str, &str)]) -> (tempfile::TempDir, UnixDatagram, Notifier) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let (notifier, warnings) = read(&[&[("NOTIFY_SOCKET", path.to_str().unwrap())], more].concat());
    assert_eq!(warnings, [""; 0]);
    (directory, socket, notifier)
}

fn read(environment: &[(&str, &str)]) -> (Notifier, Vec<String>) {
    let value = |asked: &str| {
        environment
            .iter()
            .find(|(name, _)| *name == asked)
            .map(|(_, value)| value.into())
    };
    Notifier::from_variables(value, 7)
}

fn received(socket: &UnixDatagram) -> String {
    let mut message = [0; 4096];
    let length = socket.recv(&mut message).unwrap();
    String::from_utf8(message[..length].to_vec()).unwrap()
}

#[test]
fn each_change_is_sent_as_the_protocol_defines_it() {
    let (_directory, socket, notifier) = connected(&[]);
    notifier.starting("opening the journal");
    assert_eq!(received(&socket), "STATUS=opening the journal");
    notifier.ready("0 streams");
    assert_eq!(received(&socket), "READY=1\nSTATUS=0 streams");
    notifier.reloading();
    let reloading = received(&socket);
    let rest = reloading
        .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
        .expect(&reloading);
    let (micros, status) = rest.split_once('\n').unwrap();
    assert!(micros.parse::<u64>().unwrap() > 0);
    assert_eq!(status, "STATUS=reading the settings again");
    notifier.reloaded(true, "1 stream");
    assert_eq!(
        received(&socket),
        "READY=1\nSTATUS=1 stream; the last reload was refused, see the log"
    );
    notifier.alive("2 streams");
    assert_eq!(
        received(&socket),
        "STATUS=2 streams; the last reload was refused, see the log"
    );
    notifier.reloaded(false, "1 stream");
    assert_eq!(received(&socket), "READY=1\nSTATUS=1 stream");
    notifier.stopping(Duration::from_secs(31), "draining");
    assert_eq!(
        received(&socket),
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=31000000\nSTATUS=draining"
    );
}

#[test]
fn the_watchdog_gets_two_messages_within_its_limit_from_the_process_that_it_monitors() {
    let (_directory, socket, notifier) =
        connected(&[("WATCHDOG_USEC", "6000000"), ("WATCHDOG_PID", "7")]);
    assert_eq!(notifier.interval(), Duration::from_secs(3));
    notifier.alive("well");
    assert_eq!(received(&socket), "WATCHDOG=1\nSTATUS=well");
    let interval = |more: &[(&str, &str)]| connected(more).2.interval();
    assert_eq!(
        interval(&[("WATCHDOG_USEC", "6000000")]),
        Duration::from_secs(3)
    );
    assert_eq!(
        interval(&[("WATCHDOG_USEC", "6000000"), ("WATCHDOG_PID", "8")]),
        STATUS_INTERVAL
    );
    assert_eq!(interval(&[("WATCHDOG_USEC", "1")]), MIN_STATUS_INTERVAL);
    assert_eq!(
        interval(&[("WATCHDOG_USEC", "18446744073709551615")]),
        STATUS_INTERVAL,
        "the status is sent more often than the watchdog requires"
    );
}

#[test]
fn invalid_variables_cause_warnings_only() {
    assert!(!read(&[]).0.is_connected());
    assert!(
        read(&[("NOTIFY_SOCKET", "")]).1.is_empty(),
        "an empty variable counts as not set"
    );
    let long = format!("/{}", "x".repeat(200));
    for name in [
        "notify.sock",
        "@",
        "vsock:2:1234",
        "unix:/run/notify",
        "3",
        &long,
    ] {
        let (notifier, warnings) = read(&[("NOTIFY_SOCKET", name), ("WATCHDOG_USEC", "no")]);
        assert!(!notifier.is_connected(), "{name}");
        assert!(
            warnings.len() == 1 && warnings[0].starts_with(&format!("NOTIFY_SOCKET={name:?}: ")),
            "{warnings:?}"
        );
    }
    for (name, value) in [
        ("WATCHDOG_USEC", "0"),
        ("WATCHDOG_USEC", "-1"),
        ("WATCHDOG_USEC", "3s"),
        ("WATCHDOG_PID", "me"),
    ] {
        let (notifier, warnings) = read(&[
            ("NOTIFY_SOCKET", "/nowhere"),
            (name, value),
            ("WATCHDOG_USEC", "3000000"),
        ]);
        assert_eq!(
            warnings,
            [format!(
                "{name}={value} is not a positive number; no messages are sent to the watchdog"
            )]
        );
        assert!(notifier.is_connected());
        assert_eq!(notifier.interval(), STATUS_INTERVAL);
    }
}

#[test]
fn a_status_is_one_line_and_is_truncated() {
    assert_eq!(status_line("a\nREADY=1\r\u{85}b"), "STATUS=a READY=1  b");
    assert_eq!(
        status_line(&"ä".repeat(1_000)).len(),
        "STATUS=".len() + MAX_STATUS
    );
}

#[test]
fn a_change_that_could_not_be_sent_is_sent_before_the_next_message() {
    let (_directory, socket, notifier) = connected(&[]);
    // More messages than the receiver's queue holds (`net.unix.max_dgram_qlen`).
    socket.set_nonblocking(true).unwrap();
    for nth in 0..10_000 {
        notifier.starting(&nth.to_string());
    }
    notifier.reloading();
    notifier.ready("well");
    while socket.recv(&mut [0; 4096]).is_ok() {}
    notifier.alive("still well");
    assert_eq!(received(&socket), "READY=1\nSTATUS=well");
    assert_eq!(received(&socket), "STATUS=still well");
}

#[test]
fn a_service_manager_that_is_gone_causes_no_failure() {
    let (directory, socket, notifier) = connected(&[]);
    drop((directory, socket));
    notifier.ready("well");
    notifier.stopping(Duration::MAX, "ending");
}

#[cfg(target_os = "linux")]
#[test]
fn messages_are_sent_to_an_abstract_socket_too() {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::SocketAddr;
    let name = format!("tidings-{}-{}", std::process::id(), line!());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let (notifier, warnings) = read(&[("NOTIFY_SOCKET", &format!("@{name}"))]);
    assert!(warnings.is_empty());
    notifier.ready("well");
    assert_eq!(received(&socket), "READY=1\nSTATUS=well");
}
