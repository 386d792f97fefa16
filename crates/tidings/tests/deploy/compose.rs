//! `deploy/compose.yaml` and what it mounts, by the programs that read them.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{SECRET, program, read, root, said, succeed};

/// What whoever starts it has to bring.
const SECRETS: [&str; 3] = ["JWT_SECRET", "METRICS_TOKEN", "GRAFANA_PASSWORD"];

/// In an empty environment, whatever `.env` there is.
fn compose(arguments: &[&str]) -> Command {
    let mut command = program("docker-compose");
    command
        .args(["--env-file", "/dev/null", "--file", "deploy/compose.yaml"])
        .args(arguments)
        .current_dir(root())
        .env_clear();
    command
}

/// The file as Compose understands it, with every profile.
fn resolved() -> Value {
    let mut command = compose(&["--profile", "monitoring", "config", "--format", "json"]);
    serde_json::from_str(&succeed(command.envs(SECRETS.map(|name| (name, SECRET))))).unwrap()
}

#[test]
#[ignore = "needs docker-compose: `cargo xtask test` runs it"]
fn compose_accepts_the_file_and_requires_each_secret() {
    succeed(compose(&["config", "--quiet"]).envs(SECRETS.map(|name| (name, "x"))));
    for lacking in SECRETS {
        let others = SECRETS
            .into_iter()
            .filter(|name| *name != lacking)
            .map(|name| (name, "x"));
        let output = compose(&["config", "--quiet"])
            .envs(others)
            .output()
            .unwrap();
        assert!(!output.status.success(), "without {lacking}");
        assert!(
            said(&output).contains(&format!("put {lacking} into .env")),
            "{}",
            said(&output)
        );
    }
}

#[test]
#[ignore = "needs docker-compose: `cargo xtask test` runs it"]
fn the_server_accepts_its_environment() {
    let environment = &resolved()["services"]["tidings"]["environment"];
    let mut environment: Vec<_> = environment
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    environment.push(("APP_ENV".to_owned(), "production".to_owned()));
    crate::names::assert_taken(&environment);
}

#[test]
#[ignore = "needs docker-compose: `cargo xtask test` runs it"]
fn no_container_has_more_rights_than_it_needs() {
    let file = resolved();
    let services = file["services"].as_object().unwrap();
    assert_eq!(services.len(), 4);
    for (name, service) in services {
        assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
        assert_eq!(
            service["security_opt"],
            json!(["no-new-privileges:true"]),
            "{name}"
        );
        assert_eq!(service["read_only"] == true, name != "prometheus", "{name}");
        assert!(service.get("privileged").is_none(), "{name}");
        let ports = service["ports"].as_array().into_iter().flatten();
        let to_all = ports
            .filter(|port| port["host_ip"] != "127.0.0.1")
            .map(|port| port["target"].as_u64().unwrap());
        let may = if name == "nginx" {
            vec![80, 443]
        } else {
            vec![]
        };
        assert_eq!(to_all.collect::<Vec<_>>(), may, "{name}");
    }
    assert!(file["services"]["tidings"].get("cap_add").is_none());
}

#[test]
#[ignore = "needs docker-compose: `cargo xtask test` runs it"]
fn the_server_has_time_to_drain_and_trusts_only_nginx() {
    let file = resolved();
    let server = &file["services"]["tidings"];
    let longest = tidings_server::config::Config::default()
        .lifecycle
        .shutdown_timeout
        .as_secs();
    let grace = server["stop_grace_period"]
        .as_str()
        .unwrap()
        .trim_end_matches('s')
        .parse::<u64>()
        .unwrap();
    assert!(
        grace > longest,
        "{grace} s, and the server takes up to {longest}"
    );
    let address =
        |service: &str| file["services"][service]["networks"]["front"]["ipv4_address"].clone();
    assert_eq!(server["environment"]["TRUSTED_PROXIES"], address("nginx"));
    let hosts = &file["services"]["nginx"]["extra_hosts"];
    assert_eq!(
        *hosts,
        json!([format!("tidings={}", address("tidings").as_str().unwrap())])
    );
    assert_eq!(
        server["healthcheck"]["test"],
        json!(["CMD", "/usr/bin/tidings", "health"])
    );
    for other in ["prometheus", "grafana"] {
        assert!(
            file["services"][other]["networks"].get("front").is_none(),
            "{other} would be where the trusted one is"
        );
    }
}

#[test]
#[ignore = "needs docker-compose: `cargo xtask test` runs it"]
fn every_mounted_file_exists() {
    let file = resolved();
    let mut seen = 0;
    for (name, service) in file["services"].as_object().unwrap() {
        for mount in service["volumes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|mount| mount["type"] == "bind")
        {
            let source = mount["source"].as_str().unwrap();
            assert_eq!(mount["read_only"], true, "{name}: {source}");
            // Whoever starts it brings the certificate.
            if !source.contains("/deploy/tls/") {
                assert!(Path::new(source).is_file(), "{name}: {source}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 7);
}

/// What `tidings init` and the commands at the top of `deploy/compose.yaml` leave in a clone holds
/// secrets.
#[test]
fn git_ignores_the_secrets_of_compose() {
    let ignored = read(".gitignore");
    for path in [".env", "/tidings.toml", "/deploy/tls/"] {
        assert!(ignored.lines().any(|line| line == path), "{path}");
    }
}

/// `deploy/compose/tidings.conf` is `deploy/proxies/nginx.conf` with what another place of it
/// changes.
#[test]
fn the_committed_configuration_of_nginx_in_its_container_is_that_of_the_proxies() {
    const CHANGES: [(&str, &str); 4] = [
        ("server 127.0.0.1:3000 ", "server tidings:3000 "),
        ("server_name events.example.com;", "server_name _;"),
        ("/var/log/nginx/tidings.log", "/dev/stdout"),
        ("/var/log/nginx/tidings-error.log", "/dev/stderr"),
    ];
    let original = read("deploy/proxies/nginx.conf");
    let start = original.find("upstream tidings").unwrap();
    let mut text = String::from(
        "# Written from deploy/proxies/nginx.conf by `cargo xtask docs`, for the container of \
         deploy/compose.yaml; change that.\n\n",
    );
    // In a container it is Docker that listens on addresses of IPv6.
    for line in original[start..]
        .lines()
        .filter(|line| !line.contains("listen [::]:"))
    {
        // What a reader has to change there, the list above does here.
        let line = line
            .split_once("# CHANGE")
            .map_or(line, |(before, _)| before.trim_end());
        text.push_str(line);
        text.push('\n');
    }
    for (from, to) in CHANGES {
        assert!(
            text.contains(from),
            "{from} is gone from deploy/proxies/nginx.conf"
        );
        text = text.replace(from, to);
    }
    let path = root().join("deploy/compose/tidings.conf");
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        std::fs::write(path, text).unwrap();
    } else {
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == text,
            "deploy/compose/tidings.conf is old; refresh it with `cargo xtask docs`"
        );
    }
}

#[test]
#[ignore = "needs nginx and openssl: `cargo xtask test` runs it"]
fn nginx_accepts_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    make_certificate(folder.path());
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    // The container's folders are this one, its name for the server an address.
    let moved = |text: String| {
        text.replace("/etc/nginx/conf.d/*.conf", "tidings.conf")
            .replace("/etc/nginx/mime.types", "mime.types")
            .replace("/etc/ssl/certs", place)
            .replace("/etc/ssl/private", place)
            .replace("/run/nginx.pid", &format!("{place}/nginx.pid"))
            .replace("server tidings:3000", "server 127.0.0.1:3000")
            .replace("listen 443", &format!("listen unix:{place}/443.sock"))
            .replace("listen 80", &format!("listen unix:{place}/80.sock"))
    };
    write("mime.types", "types { text/html html; }");
    write("nginx.conf", &moved(read("deploy/compose/nginx.conf")));
    write("tidings.conf", &moved(read("deploy/compose/tidings.conf")));
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut nginx = as_root_of_the_container();
    for name in ["tidings.pem", "tidings.key"] {
        give_away(&folder.path().join(name));
    }
    // `tidings tail` and `doctor` take no authority's certificate for a server's, which a
    // self-signed one is unless it says no.
    let mut openssl = Command::new("openssl");
    openssl
        .args([
            "x509",
            "-noout",
            "-ext",
            "basicConstraints",
            "-in",
            "tidings.pem",
        ])
        .current_dir(place);
    assert!(succeed(&mut openssl).contains("CA:FALSE"));
    succeed(
        nginx
            .env("PATH", path)
            .args(["nginx", "-t", "-p", place, "-c", "nginx.conf"]),
    );
}

/// Makes the certificate and its key in a folder, by the command that the file itself gives for it.
fn make_certificate(folder: &Path) {
    let file = read("deploy/compose.yaml");
    let lines = file
        .lines()
        .map(|line| line.trim_start_matches("# ").trim());
    let mut command = String::new();
    for line in lines.skip_while(|line| !line.starts_with("openssl req ")) {
        match line.strip_suffix('\\') {
            Some(begun) => command.push_str(begun),
            None => {
                command.push_str(line);
                break;
            }
        }
    }
    succeed(
        Command::new("sh")
            .args(["-c", &command.replace("tls/", "")])
            .current_dir(folder),
    );
}

/// Runs a program with no other rights than those of nginx's container.
fn as_root_of_the_container() -> Command {
    let file = crate::support::yaml("deploy/compose.yaml");
    let added = file[0]["services"]["nginx"]["cap_add"].as_array().unwrap();
    let rights: Vec<_> = added
        .iter()
        .map(|right| right.as_str().unwrap().to_lowercase())
        .collect();
    let mut command = Command::new(if is_root() { "setpriv" } else { "env" });
    if is_root() {
        command.arg(format!("--bounding-set=-all,+{}", rights.join(",+")));
    }
    command
}

/// A file that belongs to whoever called Compose, and that nobody else may read.
fn give_away(file: &Path) {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    if is_root() {
        chown(file, Some(1_000), Some(1_000)).unwrap();
    }
}

/// Others can neither give a file away nor lay down rights, and nginx reads what is its user's own.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Grafana finds the dashboard where the file of its providers says, and that asks the data source
/// that is there.
#[test]
#[ignore = "needs docker-compose: `cargo xtask test` runs it"]
fn grafana_has_the_files_that_its_configuration_names() {
    let file = resolved();
    let targets: Vec<_> = file["services"]["grafana"]["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mount| mount["target"].as_str().unwrap())
        .collect();
    let path = &crate::support::yaml("deploy/compose/grafana/dashboards.yml")[0]["providers"][0]["options"]
        ["path"];
    let dashboard = format!("{}/tidings.json", path.as_str().unwrap());
    assert!(targets.contains(&dashboard.as_str()), "{targets:?}");
    let home =
        &file["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"];
    assert_eq!(*home, json!(dashboard));
    let source =
        &crate::support::yaml("deploy/compose/grafana/datasource.yml")[0]["datasources"][0];
    assert_eq!(source["type"], "prometheus");
    assert_eq!(source["isDefault"], true);
    assert_eq!(source["url"], "http://prometheus:9090");
}
