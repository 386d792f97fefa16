use std::os::unix::net::UnixDatagram;

use super::*;

/// The receiving end of a service manager, and the notifier of an environment that names it.
fn listening(more: &[(&str, &str)]) -> (tempfile::TempDir, UnixDatagram, Notifier) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let (notifier, odd) = read(&[&[("NOTIFY_SOCKET", path.to_str().unwrap())], more].concat());
    assert_eq!(odd, [""; 0]);
    (directory, socket, notifier)
}

fn read(environment: &[(&str, &str)]) -> (Notifier, Vec<String>) {
    let value = |asked: &str| environment.iter().find(|(name, _)| *name == asked).map(|(_, value)| value.into());
    Notifier::asked_for(value, 7)
}

fn heard(socket: &UnixDatagram) -> String {
    let mut message = [0; 4096];
    let length = socket.recv(&mut message).unwrap();
    String::from_utf8(message[..length].to_vec()).unwrap()
}

#[test]
fn what_happens_is_told_in_the_words_of_the_protocol() {
    let (_directory, socket, notifier) = listening(&[]);
    notifier.starts("opening the journal");
    assert_eq!(heard(&socket), "STATUS=opening the journal");
    notifier.is_ready("0 streams");
    assert_eq!(heard(&socket), "READY=1\nSTATUS=0 streams");
    notifier.reloads();
    let reloading = heard(&socket);
    let rest = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&reloading);
    let (micros, status) = rest.split_once('\n').unwrap();
    assert!(micros.parse::<u64>().unwrap() > 0);
    assert_eq!(status, "STATUS=reading the settings again");
    notifier.has_reloaded(true, "1 stream");
    assert_eq!(heard(&socket), "READY=1\nSTATUS=1 stream; the last reload was refused, see the log");
    notifier.is_alive("2 streams");
    assert_eq!(heard(&socket), "STATUS=2 streams; the last reload was refused, see the log");
    notifier.has_reloaded(false, "1 stream");
    assert_eq!(heard(&socket), "READY=1\nSTATUS=1 stream");
    notifier.stops(Duration::from_secs(31), "draining");
    assert_eq!(heard(&socket), "STOPPING=1\nEXTEND_TIMEOUT_USEC=31000000\nSTATUS=draining");
}

#[test]
fn the_watchdog_hears_twice_within_its_time_and_only_of_the_process_that_it_watches() {
    let (_directory, socket, notifier) = listening(&[("WATCHDOG_USEC", "6000000"), ("WATCHDOG_PID", "7")]);
    assert_eq!(notifier.every(), Duration::from_secs(3));
    notifier.is_alive("well");
    assert_eq!(heard(&socket), "WATCHDOG=1\nSTATUS=well");
    let every = |more: &[(&str, &str)]| listening(more).2.every();
    assert_eq!(every(&[("WATCHDOG_USEC", "6000000")]), Duration::from_secs(3));
    assert_eq!(every(&[("WATCHDOG_USEC", "6000000"), ("WATCHDOG_PID", "8")]), EVERY);
    assert_eq!(every(&[("WATCHDOG_USEC", "1")]), LEAST);
    assert_eq!(every(&[("WATCHDOG_USEC", "18446744073709551615")]), EVERY, "the status is told more often than that");
}

#[test]
fn odd_values_are_said_and_nothing_more() {
    assert!(!read(&[]).0.is_heard());
    assert!(read(&[("NOTIFY_SOCKET", "")]).1.is_empty(), "an empty variable is one that is not set");
    let long = format!("/{}", "x".repeat(200));
    for name in ["notify.sock", "@", "vsock:2:1234", "unix:/run/notify", "3", &long] {
        let (notifier, odd) = read(&[("NOTIFY_SOCKET", name), ("WATCHDOG_USEC", "no")]);
        assert!(!notifier.is_heard(), "{name}");
        assert!(odd.len() == 1 && odd[0].starts_with(&format!("NOTIFY_SOCKET={name:?}: ")), "{odd:?}");
    }
    for (name, value) in
        [("WATCHDOG_USEC", "0"), ("WATCHDOG_USEC", "-1"), ("WATCHDOG_USEC", "3s"), ("WATCHDOG_PID", "me")]
    {
        let (notifier, odd) = read(&[("NOTIFY_SOCKET", "/nowhere"), (name, value), ("WATCHDOG_USEC", "3000000")]);
        assert_eq!(odd, [format!("{name}={value} is no positive number; the watchdog is told nothing")]);
        assert!(notifier.is_heard());
        assert_eq!(notifier.every(), EVERY);
    }
}

#[test]
fn a_status_is_one_line_of_a_bearable_length() {
    assert_eq!(status_line("a\nREADY=1\r\u{85}b"), "STATUS=a READY=1  b");
    assert_eq!(status_line(&"ä".repeat(1_000)).len(), "STATUS=".len() + MAX_STATUS);
}

#[test]
fn a_change_that_finds_no_room_is_told_later_and_nothing_waits_for_it() {
    let (_directory, socket, notifier) = listening(&[]);
    // More messages than the receiver's queue holds (`net.unix.max_dgram_qlen`).
    socket.set_nonblocking(true).unwrap();
    for nth in 0..10_000 {
        notifier.starts(&nth.to_string());
    }
    notifier.reloads();
    notifier.is_ready("well");
    while socket.recv(&mut [0; 4096]).is_ok() {}
    notifier.is_alive("still well");
    assert_eq!(heard(&socket), "READY=1\nSTATUS=well");
    assert_eq!(heard(&socket), "STATUS=still well");
}

#[test]
fn a_service_manager_that_is_gone_is_no_failure() {
    let (directory, socket, notifier) = listening(&[]);
    drop((directory, socket));
    notifier.is_ready("well");
    notifier.stops(Duration::MAX, "ending");
}

#[cfg(target_os = "linux")]
#[test]
fn an_abstract_socket_is_told_like_any_other() {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::SocketAddr;
    let name = format!("tidings-{}-{}", std::process::id(), line!());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let (notifier, odd) = read(&[("NOTIFY_SOCKET", &format!("@{name}"))]);
    assert!(odd.is_empty());
    notifier.is_ready("well");
    assert_eq!(heard(&socket), "READY=1\nSTATUS=well");
}
