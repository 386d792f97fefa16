//! Tries the package in a separate Debian: installs, uses, restarts, upgrades, removes and purges
//! it under a real systemd.
//!
//! Owns the steps, in the order of a package's life, and what must be true after each. The machine
//! itself is in [`machine`]. Must leave nothing behind except the downloaded base, and change
//! nothing on the host.

mod machine;

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use self::machine::Machine;
use super::pack_debug;

/// The time limit of a single step. On a busy machine each step takes longer.
const TIMEOUT: Duration = Duration::from_mins(5);

const CONFIG: &str = "/etc/tidings/tidings.toml";

/// `/call METHOD PATH [BODY]`: makes one request over a new connection, without retries. Prints the
/// body of the answer, and fails unless the status is 200.
const CALL: &str = r#"#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/3000 || exit 1
printf '%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' \
    "$1" "$2" "$(cat /token)" "${#3}" "$3" >&3 || exit 1
answer=$(cat <&3) || exit 1
case $answer in
    'HTTP/1.1 200 '*) printf '%s\n' "${answer#*$'\r\n\r\n'}" ;;
    *) printf '%s\n' "$answer" >&2; exit 1 ;;
esac
"#;

/// Publishes a notification to all users.
const PUBLISH: &str = "/call POST /notifications/send";

/// A step, which fails unless its result is as expected.
type Step = fn(&Machine) -> Result<()>;

pub(super) fn run() -> Result<()> {
    let (first, second) = (pack_debug("1")?, pack_debug("2")?);
    let machine = Machine::boot()?;
    machine.put(&first, "/1.deb")?;
    machine.put(&second, "/2.deb")?;
    machine.write(CALL.as_bytes(), "/call")?;
    machine.run("chmod 755 /call")?;
    let steps: [(&str, Step); 10] = [
        (
            "installed, it runs as its user, with settings that nobody else reads",
            installed,
        ),
        (
            "published to, as an administrator of the machine would",
            used,
        ),
        ("reloaded, and a reload that is refused is no end", reloaded),
        ("restarted, it refuses nobody", restarted),
        (
            "moved to another port, as the socket's unit says how",
            moved,
        ),
        (
            "with broken settings it does not start, and does once they are mended",
            broken,
        ),
        ("stopped in its tracks, the watchdog starts it anew", stuck),
        (
            "upgraded, it keeps settings and journal, and its port stays open",
            upgraded,
        ),
        (
            "removed, it is gone, and settings and journal are there",
            removed,
        ),
        ("purged, these are gone too", purged),
    ];
    for (what, step) in steps {
        eprintln!("trial: {what}");
        step(&machine).with_context(|| format!("{what}: {}", machine.log()))?;
    }
    eprintln!("trial: passed");
    Ok(())
}

fn installed(machine: &Machine) -> Result<()> {
    machine.run("dpkg --install /1.deb")?;
    for unit in ["tidings.service", "tidings.socket"] {
        ensure!(machine.run(&format!("systemctl is-enabled {unit}"))? == "enabled");
        ensure!(machine.run(&format!("systemctl is-active {unit}"))? == "active");
    }
    let settings = machine.run(&format!(
        "stat --format '%U:%G %a' {CONFIG} /var/lib/tidings /var/lib/tidings/data"
    ))?;
    ensure!(
        settings == "root:tidings 640\ntidings:tidings 750\ntidings:tidings 700",
        "{settings}"
    );
    let secret = machine.run(&format!("sed -n 's/^jwt_secret = //p' {CONFIG}"))?;
    ensure!(
        secret.len() == 66 && !secret.contains('@'),
        "64 characters between quotes"
    );
    let user = machine
        .run("stat --format %U /proc/$(systemctl show --value --property MainPID tidings)")?;
    ensure!(user == "tidings", "it runs as {user}");
    let said = machine.run("journalctl --unit tidings.service --no-pager --output cat")?;
    ensure!(
        !said.contains(r#""level":"WARN""#) && !said.contains(r#""level":"ERROR""#),
        "{said}"
    );
    // The limit is LimitNOFILE, or the maximum that this machine permits.
    let limit = machine.run(
        "awk '/Max open files/ { print $5 }' /proc/$(systemctl show --value --property \
              MainPID tidings)/limits",
    )?;
    let capacity = format!("capacity   {} streams", limit.parse::<usize>()? - 512);
    ensure!(said.contains(&capacity), "no {capacity} in {said}");
    until("systemctl status says how it is", || {
        status(machine).map(|status| status.ends_with("streams open"))
    })
}

fn used(machine: &Machine) -> Result<()> {
    eprintln!(
        "trial: {} ms from its first start to ready, with a journal to be made",
        milliseconds_to_ready(machine)?
    );
    ensure!(machine.run("tidings --version")?.starts_with("tidings "));
    machine.run(&format!(
        "umask 077; tidings token --config {CONFIG} --sub trial --role admin >/token"
    ))?;
    machine.run(
        "TIDINGS_TOKEN=$(cat /token) tidings publish notification --title before --message m",
    )?;
    ensure!(kept(machine)?.contains("before"));
    Ok(())
}

fn reloaded(machine: &Machine) -> Result<()> {
    let before = process(machine)?;
    machine.run(&format!("echo 'log_level = \"debug\"' >>{CONFIG}"))?;
    machine.run("systemctl reload tidings.service")?;
    until("the new level holds", || {
        log(machine).map(|log| log.contains(r#""changed":"LOG_LEVEL""#))
    })?;
    machine.run(&format!("sed -i 's/^log_level.*/log_level = 7/' {CONFIG}"))?;
    machine.run("systemctl reload tidings.service")?;
    until("the refusal is shown", || {
        status(machine).map(|status| status.contains("the last reload was refused"))
    })?;
    machine.run(&format!("sed -i '/^log_level/d' {CONFIG}"))?;
    machine.run("systemctl reload tidings.service")?;
    until("all is well", || {
        status(machine).map(|status| status.ends_with("streams open"))
    })?;
    ensure!(
        process(machine)? == before
            && machine.run("systemctl is-active tidings.service")? == "active"
    );
    Ok(())
}

fn restarted(machine: &Machine) -> Result<()> {
    let before = process(machine)?;
    // Makes one call after the other, each over a new connection, until it is told to end. It ends
    // at once if a call fails.
    let body = r#"{"title":"during","message":"m"}"#;
    let calling = machine.begin(&format!(
        "until test -e /enough; do {PUBLISH} '{body}' >>/published || exit 1; done"
    ))?;
    until("calls are under way", || {
        lines(machine, "/published").map(|count| count >= 3)
    })?;
    machine.run("systemctl restart tidings.service")?;
    let count = lines(machine, "/published")?;
    eprintln!(
        "trial: {} ms from its start to ready, with the journal that was there",
        milliseconds_to_ready(machine)?
    );
    until("calls go on", || {
        lines(machine, "/published").map(|now| now >= count + 3)
    })?;
    machine.run("touch /enough")?;
    ensure!(calling.wait()?, "a call was refused during the restart");
    let published = lines(machine, "/published")?;
    let kept = kept(machine)?.matches("during").count();
    ensure!(
        kept == published,
        "{published} were acknowledged, {kept} are kept"
    );
    ensure!(process(machine)? != before);
    Ok(())
}

fn moved(machine: &Machine) -> Result<()> {
    let restart = "systemctl daemon-reload && systemctl stop tidings.service && systemctl restart \
                   tidings.socket && systemctl start tidings.service";
    machine.run("mkdir -p /etc/systemd/system/tidings.socket.d")?;
    machine.write(
        b"[Socket]\nListenStream=\nListenStream=4000\n",
        "/etc/systemd/system/tidings.socket.d/override.conf",
    )?;
    machine.run(restart)?;
    machine.run("sed 's,/3000,/4000,' /call >/call-4000 && bash /call-4000 GET /health/ready")?;
    ensure!(
        machine.run("/call GET /health").is_err(),
        "the old port is open"
    );
    machine.run("rm -r /etc/systemd/system/tidings.socket.d")?;
    machine.run(restart)?;
    machine.run("/call GET /health/ready").map(drop)
}

fn broken(machine: &Machine) -> Result<()> {
    machine.run(&format!(
        "cp -p {CONFIG} /kept.toml && echo 'nonsense = 1' >>{CONFIG}"
    ))?;
    ensure!(
        machine.run("systemctl restart tidings.service").is_err(),
        "it started with nonsense"
    );
    until("it is tried again", || {
        machine
            .run("systemctl show --value --property NRestarts tidings.service")
            .map(|count| count != "0")
    })?;
    ensure!(
        machine.run("systemctl is-active tidings.socket")? == "active",
        "the port is held"
    );
    ensure!(
        log(machine)?.contains("nonsense=1 (/etc/tidings/tidings.toml)"),
        "the log says why"
    );
    machine.run(&format!("cp -p /kept.toml {CONFIG}"))?;
    until("it starts by itself", || is_active(machine))
}

fn stuck(machine: &Machine) -> Result<()> {
    machine.run("mkdir -p /run/systemd/system/tidings.service.d")?;
    machine.run(
        "printf '[Service]\\nWatchdogSec=2\\n' \
                 >/run/systemd/system/tidings.service.d/watchdog.conf",
    )?;
    machine.run("systemctl daemon-reload && systemctl restart tidings.service")?;
    let before = process(machine)?;
    machine.run(&format!("kill -STOP {before}"))?;
    until("another process runs", || {
        Ok(is_active(machine)? && process(machine)? != before)
    })?;
    ensure!(
        machine
            .run("journalctl --unit tidings.service --no-pager")?
            .contains("Watchdog timeout")
    );
    machine.run(
        "rm -r /run/systemd/system/tidings.service.d && systemctl daemon-reload && systemctl \
         restart tidings.service",
    )?;
    ensure!(kept(machine)?.contains("before"), "nothing is lost by it");
    Ok(())
}

fn upgraded(machine: &Machine) -> Result<()> {
    machine.run(&format!(
        "sed -i 's/^# cors_origin.*/cors_origin = [\"https:\\/\\/app.example.com\"]/' {CONFIG}"
    ))?;
    let sum = machine.run(&format!("sha256sum {CONFIG}"))?;
    let socket = |machine: &Machine| {
        machine.run("systemctl show --value --property InvocationID tidings.socket")
    };
    let (before, held) = (process(machine)?, socket(machine)?);
    machine.run("dpkg --install /2.deb")?;
    ensure!(
        machine.run(&format!("sha256sum {CONFIG}"))? == sum,
        "the settings were changed"
    );
    ensure!(process(machine)? != before, "the old binary still runs");
    ensure!(socket(machine)? == held, "the socket was closed");
    until("it serves", || is_active(machine))?;
    ensure!(
        kept(machine)?.contains("before"),
        "the journal is another one"
    );
    // An upgrade does not undo what an administrator has configured.
    machine
        .run("systemctl disable --now tidings.socket tidings.service && dpkg --install /1.deb")?;
    ensure!(machine.run("systemctl is-enabled tidings.service || true")? == "disabled");
    ensure!(
        !is_active(machine)?,
        "it was started although it is disabled"
    );
    machine.run("systemctl enable --now tidings.socket tidings.service")?;
    until("it serves", || is_active(machine))
}

fn removed(machine: &Machine) -> Result<()> {
    machine.run("dpkg --remove tidings")?;
    ensure!(!is_active(machine)?);
    ensure!(
        machine.run("/call GET /health").is_err(),
        "the port is open"
    );
    machine.run(&format!(
        "test -e {CONFIG} && test -d /var/lib/tidings/data && ! test -e /usr/bin/tidings"
    ))?;
    machine.run("dpkg --install /2.deb")?;
    until("it serves again", || is_active(machine))?;
    ensure!(
        kept(machine)?.contains("before"),
        "with the settings and the journal that were there"
    );
    Ok(())
}

fn purged(machine: &Machine) -> Result<()> {
    machine.run("dpkg --purge tidings")?;
    machine.run("! test -e /etc/tidings && ! test -e /var/lib/tidings && getent passwd tidings")?;
    let left = machine.run("find /etc /usr /var/lib/systemd -name '*tidings*'")?;
    ensure!(left.is_empty(), "what is left: {left}");
    ensure!(
        machine
            .run("systemctl --failed --quiet --no-legend")?
            .is_empty()
    );
    Ok(())
}

/// Returns the stored notifications as JSON.
fn kept(machine: &Machine) -> Result<String> {
    machine.run("/call GET '/events?topic=notifications&limit=1000'")
}

fn log(machine: &Machine) -> Result<String> {
    machine.run("journalctl --unit tidings.service --no-pager --output cat")
}

fn status(machine: &Machine) -> Result<String> {
    machine.run("systemctl show --value --property StatusText tidings.service")
}

/// Returns the time from exec to READY=1 according to systemd. It is printed, but has no limit,
/// because the binary of the tests is not optimized, and the machine may be busy.
fn milliseconds_to_ready(machine: &Machine) -> Result<u64> {
    let micros = |name: &str| -> Result<u64> {
        Ok(machine
            .run(&format!(
                "systemctl show --value --property {name} tidings.service"
            ))?
            .parse()?)
    };
    Ok(
        (micros("ActiveEnterTimestampMonotonic")? - micros("ExecMainStartTimestampMonotonic")?)
            / 1_000,
    )
}

fn process(machine: &Machine) -> Result<String> {
    machine.run("systemctl show --value --property MainPID tidings.service")
}

fn is_active(machine: &Machine) -> Result<bool> {
    Ok(machine.run("systemctl is-active tidings.service || true")? == "active")
}

fn lines(machine: &Machine, path: &str) -> Result<usize> {
    Ok(machine
        .run(&format!("cat {path} 2>/dev/null || true"))?
        .lines()
        .count())
}

/// Repeats the check until it succeeds.
fn until(what: &str, mut so: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = tokio::time::Instant::now();
    while !so()? {
        ensure!(begun.elapsed() < TIMEOUT, "{what}: not within {TIMEOUT:?}");
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
