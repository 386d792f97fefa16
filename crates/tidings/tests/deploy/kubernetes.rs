//! The manifests: by the published schemas, and by what the server promises.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{SECRET, files_below, program, read, succeed, yaml};

const FOLDER: &str = "deploy/kubernetes";

/// The versions by whose schemas they are checked: the oldest in which all that is used is there,
/// and the newest that the package brings.
const VERSIONS: [&str; 2] = ["1.27", "1.37"];

#[test]
#[ignore = "needs kubernetes-validate: `cargo xtask test` runs it"]
fn the_schemas_of_kubernetes_accept_every_manifest() {
    let mut seen = 0;
    for file in manifests() {
        if is_kustomize(&file) || yaml(&file)[0]["kind"] == "ServiceMonitor" {
            continue;
        }
        for version in VERSIONS {
            let path = crate::support::root().join(&file);
            succeed(
                program("kubernetes-validate")
                    .args(["--strict", "--kubernetes-version", version])
                    .arg(path),
            );
        }
        seen += 1;
    }
    assert_eq!(seen, 6, "the files were found");
}

#[test]
#[ignore = "needs kubernetes-validate: `cargo xtask test` runs it"]
fn the_schemas_refuse_what_they_do_not_know() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("statefulset.yaml");
    std::fs::write(
        &file,
        read(&format!("{FOLDER}/statefulset.yaml")).replace("replicas:", "replica:"),
    )
    .unwrap();
    let output = program("kubernetes-validate")
        .arg("--strict")
        .arg(&file)
        .output()
        .unwrap();
    assert!(!output.status.success(), "it was taken");
}

#[test]
#[ignore = "needs a reader of YAML: `cargo xtask test` runs it"]
fn every_manifest_is_named_by_its_kustomization() {
    for folder in [FOLDER.to_owned(), format!("{FOLDER}/monitoring")] {
        let kustomization = &yaml(&format!("{folder}/kustomization.yaml"))[0];
        let named: BTreeSet<_> = strings(&kustomization["resources"])
            .map(|name| format!("{folder}/{name}"))
            .collect();
        let there: BTreeSet<_> = manifests()
            .into_iter()
            .filter(|file| file.rsplit_once('/').unwrap().0 == folder && !is_kustomize(file))
            .collect();
        assert_eq!(named, there);
    }
}

#[test]
#[ignore = "needs a reader of YAML: `cargo xtask test` runs it"]
fn every_selector_selects_the_pods_of_the_server() {
    let labels = &stateful_set()["spec"]["template"]["metadata"]["labels"];
    for (file, selector) in [
        ("statefulset", "/spec/selector/matchLabels"),
        ("service", "/spec/selector"),
        ("service-headless", "/spec/selector"),
        ("disruption-budget", "/spec/selector/matchLabels"),
        ("network-policy", "/spec/podSelector/matchLabels"),
    ] {
        assert_eq!(document(file).pointer(selector), Some(labels), "{file}");
    }
    let monitor = &document("monitoring/service-monitor")["spec"]["selector"]["matchLabels"];
    assert_eq!(
        *monitor,
        document("service-headless")["metadata"]["labels"],
        "one Service, so that nothing is asked twice"
    );
    assert_ne!(*monitor, document("service")["metadata"]["labels"]);
    assert_eq!(
        stateful_set()["spec"]["serviceName"],
        document("service-headless")["metadata"]["name"]
    );
}

/// `SHUTDOWN_TIMEOUT` is the longest that the end takes, unless somebody sets it.
#[test]
#[ignore = "needs a reader of YAML: `cargo xtask test` runs it"]
fn the_pod_has_more_time_to_stop_than_the_server_needs() {
    let grace = stateful_set()["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        .as_u64()
        .unwrap();
    let longest = tidings_server::config::Config::default()
        .lifecycle
        .shutdown_timeout
        .as_secs();
    assert!(
        grace > longest,
        "{grace} s, and the server takes up to {longest}"
    );
}

/// As several servers share nothing, there is one; and a mistake in its settings is mended by the
/// next `apply` (kubernetes/kubernetes#67250).
#[test]
#[ignore = "needs a reader of YAML: `cargo xtask test` runs it"]
fn an_update_replaces_a_pod_that_never_was_ready() {
    let spec = &stateful_set()["spec"];
    assert_eq!(spec["replicas"], 1);
    assert_eq!(spec["podManagementPolicy"], "Parallel");
}

#[test]
#[ignore = "needs a reader of YAML: `cargo xtask test` runs it"]
fn the_pod_meets_the_restricted_standard() {
    let pod = &stateful_set()["spec"]["template"]["spec"];
    let of_pod = &pod["securityContext"];
    assert_eq!(of_pod["runAsNonRoot"], true);
    assert_eq!(of_pod["seccompProfile"]["type"], "RuntimeDefault");
    for container in pod["containers"].as_array().unwrap() {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["capabilities"], json!({ "drop": ["ALL"] }));
        assert_eq!(
            context["readOnlyRootFilesystem"], true,
            "beyond the standard"
        );
    }
    for host in [
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "volumes",
        "initContainers",
    ] {
        assert!(pod.get(host).is_none(), "{host}");
    }
    let user = read("deploy/Dockerfile")
        .lines()
        .find_map(|line| line.strip_prefix("USER ").map(str::to_owned))
        .unwrap();
    assert_eq!(
        user,
        format!("{}:{}", of_pod["runAsUser"], of_pod["runAsGroup"])
    );
    assert_eq!(
        of_pod["fsGroup"], of_pod["runAsGroup"],
        "or the volume can't be written"
    );
}

#[test]
#[ignore = "needs a reader of YAML: `cargo xtask test` runs it"]
fn the_probes_use_the_health_paths_of_the_server() {
    let container = &stateful_set()["spec"]["template"]["spec"]["containers"][0];
    let paths: Vec<_> = ["startupProbe", "livenessProbe", "readinessProbe"]
        .map(|probe| {
            container[probe]["httpGet"]["path"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .into();
    assert_eq!(paths, ["/health/live", "/health/live", "/health/ready"]);
    let document: Value = serde_json::from_str(&read("docs/openapi.json")).unwrap();
    for path in &paths {
        assert!(
            document["paths"].get(path).is_some(),
            "{path} is none of the server's"
        );
    }
    let metrics = &self::document("monitoring/service-monitor")["spec"]["endpoints"][0];
    assert!(
        document["paths"]
            .get(metrics["path"].as_str().unwrap())
            .is_some(),
        "{metrics}"
    );

    let port = &container["ports"][0];
    let mut named = vec![
        metrics["port"].clone(),
        document_port("service"),
        document_port("service-headless"),
    ];
    named.extend(
        ["startupProbe", "livenessProbe", "readinessProbe"]
            .map(|probe| container[probe]["httpGet"]["port"].clone()),
    );
    named.push(self::document("network-policy")["spec"]["ingress"][0]["ports"][0]["port"].clone());
    assert!(named.iter().all(|name| *name == port["name"]), "{named:?}");
    assert_eq!(
        port["containerPort"],
        tidings_server::config::Config::default().http.port
    );
}

/// What the pod is given is what `tidings config` takes, and nothing that it warns of.
#[test]
#[ignore = "needs a reader of YAML: `cargo xtask test` runs it"]
fn the_server_accepts_the_environment_of_its_pod() {
    let container = &stateful_set()["spec"]["template"]["spec"]["containers"][0];
    let generator = &yaml(&format!("{FOLDER}/kustomization.yaml"))[0]["configMapGenerator"][0];
    assert_eq!(
        container["envFrom"][0]["configMapRef"]["name"],
        generator["name"]
    );
    let mut environment: Vec<(String, String)> = strings(&generator["literals"])
        .map(|literal| literal.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for variable in container["env"].as_array().unwrap() {
        assert!(
            variable["valueFrom"]["secretKeyRef"]["key"].is_string(),
            "{variable}"
        );
        environment.push((
            variable["name"].as_str().unwrap().to_owned(),
            SECRET.to_owned(),
        ));
    }
    crate::names::assert_taken(&environment);
}

fn stateful_set() -> Value {
    document("statefulset")
}

/// The one document of a manifest.
fn document(name: &str) -> Value {
    let documents = yaml(&format!("{FOLDER}/{name}.yaml"));
    let [document] = documents.as_slice() else {
        panic!("{name} has {} documents", documents.len())
    };
    document.clone()
}

/// To which port of its pods a Service leads.
fn document_port(name: &str) -> Value {
    document(name)["spec"]["ports"][0]["targetPort"].clone()
}

fn manifests() -> Vec<String> {
    files_below(FOLDER)
}

fn is_kustomize(file: &str) -> bool {
    file.ends_with("/kustomization.yaml")
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|item| item.as_str().unwrap())
}
