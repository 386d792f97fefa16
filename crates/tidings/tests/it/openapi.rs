//! `docs/openapi.json` against a running server: which methods each path has, and whether
//! schemathesis, which makes calls by the document, gets the answers that it describes. A test
//! beside the router's table (`crates/server/src/openapi.rs`) checks that the paths of the document
//! are all those of the router.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use crate::support::{ADMIN, in_time, start};

/// Checks the status, the media type and the body of each answer, and that no request causes a
/// server error.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs schemathesis, of Python: `cargo xtask test` runs it"]
async fn every_call_answers_as_the_openapi_document_says() {
    let server = start().await;
    let python = std::env::var_os("TIDINGS_PYTHON").expect("`cargo xtask test` says where it is");
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new(PathBuf::from(python).with_file_name("schemathesis"));
    command
        .args([
            "run",
            &format!("http://{}/openapi.json", server.address),
            "--no-color",
            "--seed",
            "1",
        ])
        // Streams do not end, and a drain would end the server. Other tests cover them.
        .args([
            "--exclude-path-regex",
            "(stream|heartbeat|drain)$",
            "--header",
            &format!("Authorization: Bearer {ADMIN}"),
        ])
        .args([
            "--checks",
            CHECKS,
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            "15",
        ])
        .current_dir(place.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = in_time(command.output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("30 selected / 38 total"), "{said}");
}

#[tokio::test]
async fn each_path_accepts_only_the_documented_methods() {
    let server = start().await;
    let document = server.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap();
    assert!(!paths.is_empty());
    for (path, described) in paths {
        let mut described: BTreeSet<_> = described
            .as_object()
            .unwrap()
            .keys()
            .map(|key| key.to_uppercase())
            .collect();
        if described.contains("GET") {
            described.insert("HEAD".to_owned()); // a GET without its body, which is always allowed
        }
        // No path has this method, so each answer lists the methods that the path has.
        let refused = server
            .request("PATCH", &path.replace(['{', '}'], ""), &[], b"")
            .await;
        assert_eq!(refused.status, 405, "{path}");
        let taken: BTreeSet<_> = refused
            .header("allow")
            .unwrap_or_default()
            .split(',')
            .map(str::to_owned)
            .collect();
        assert_eq!(taken, described, "{path}");
    }
}

#[tokio::test]
async fn the_api_lists_the_paths_of_the_openapi_document() {
    let server = start().await;
    let document = server.get("/openapi.json").await.json();
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let listed = server.get("/api").await.json();
    let listed = listed["endpoints"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|group| group.as_object().unwrap().values());
    // The list of calls writes a parameter as `:name`, as it always has.
    let braced = |part: &str| {
        part.strip_prefix(':')
            .map_or(part.to_owned(), |name| format!("{{{name}}}"))
    };
    let listed = listed.map(|call| {
        call.as_str()
            .unwrap()
            .split('/')
            .map(braced)
            .collect::<Vec<_>>()
            .join("/")
    });
    assert_eq!(listed.collect::<BTreeSet<_>>(), described);
}
