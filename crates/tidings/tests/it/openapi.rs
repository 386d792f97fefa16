//! `docs/openapi.json` against a running server: schemathesis calls by it and holds the answers against it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::support::{ADMIN, start};

/// Statuses, media types and bodies; no server error, whatever is sent.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_answers_as_the_openapi_document_says() {
    let server = start().await;
    let python = std::env::var_os("TIDINGS_PYTHON").expect("`cargo xtask test` says where it is");
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new(PathBuf::from(python).with_file_name("schemathesis"));
    command
        .args(["run", &format!("http://{}/openapi.json", server.address), "--no-color", "--seed", "1"])
        // A stream does not end; the tests of streams read those.
        .args(["--exclude-path-regex", "(stream|heartbeat)$", "--header", &format!("Authorization: Bearer {ADMIN}")])
        .args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", "15"])
        .current_dir(place.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    // Some thousand calls: more than anything else here takes.
    let output = tokio::time::timeout(Duration::from_mins(3), command.output()).await.expect("in time").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("24 selected / 31 total"), "{said}");
}
