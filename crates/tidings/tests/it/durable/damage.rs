//! What the log has lost, by damage or with its directory, is reported; what it still has is
//! served.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::House;
use super::troubles::until_free;
use crate::support::{ADMIN, TestServer, until};

/// Some 200 KiB of text that can't be compressed.
fn noise() -> String {
    (0..200_000)
        .map(|_| char::from(rand::random_range(b'!'..=b'Z')))
        .filter(|letter| !"\"\\".contains(*letter))
        .collect()
}

async fn stop(house: &House, mut server: TestServer) {
    server.stopped().await.unwrap();
    drop(server);
    until_free(house).await;
}

/// The largest file of a table of events.
fn largest_table(house: &House) -> Option<PathBuf> {
    let tables = (1..=8).map(|id| house.0.path().join(format!("db/keyspaces/{id}/tables")));
    let files = tables
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(std::iter::Iterator::flatten);
    let sized = files.filter_map(|file| Some((file.metadata().ok()?.len(), file.path())));
    sized
        .max()
        .filter(|(size, _)| *size > 1 << 20)
        .map(|(_, path)| path)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_events_are_damaged_gets_a_reset_and_continues() {
    let house = House::new();
    let server = house.start().await;
    let mut ids = Vec::new();
    while largest_table(&house).is_none() {
        let body = json!({"title": "T", "message": "M", "metadata": noise()});
        ids.push(
            server.post("/notifications/send", body).await.json()["eventId"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
        assert!(ids.len() < 500, "no table was ever written");
    }
    stop(&house, server).await;
    let table = largest_table(&house).unwrap();
    flip(
        &table,
        usize::try_from(fs::metadata(&table).unwrap().len()).unwrap() / 2,
    );

    let server = house.start().await;
    assert_eq!(
        server.get("/health").await.json()["status"],
        "ok",
        "nobody has read it yet"
    );
    for cursor in [ids[0].as_str(), "earliest"] {
        let mut stream = server.resumed("/notifications/stream", "", cursor).await;
        stream.expect("connected").await;
        let reset = loop {
            let block = stream.next().await;
            match block.event.as_str() {
                "reset" => break block,
                other => assert_eq!(other, "notification", "{block:?}"),
            }
        };
        assert_eq!(reset.data["reason"], "trimmed");
        let live = server.notify("live").await;
        assert_eq!(stream.expect("notification").await.last_id, live);
    }
    let read = async |first: &str, next: &str| {
        let (mut found, mut gaps, mut place) = (Vec::new(), 0, first.to_owned());
        loop {
            let page = server
                .get(&format!("/events?topic=notifications&limit=7&{place}"))
                .await
                .json();
            found.extend(
                page["events"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|event| event["id"].as_str().unwrap().to_owned()),
            );
            gaps += u32::from(page["gap"]["reason"] == "trimmed");
            if page["end"] == true {
                return (found, gaps);
            }
            place = format!(
                "{next}={}",
                page[if next == "after" { "next" } else { "prev" }]
                    .as_str()
                    .unwrap()
            );
        }
    };
    let (forwards, gaps) = read("after=earliest", "after").await;
    assert!(
        gaps > 0 && !forwards.is_empty() && ids.iter().any(|id| !forwards.contains(id)),
        "{gaps} gaps"
    );
    let (backwards, gaps) = read("before=latest", "before").await;
    assert!(
        gaps > 0 && !backwards.is_empty() && ids.iter().any(|id| !backwards.contains(id)),
        "{gaps} gaps"
    );
    assert_eq!(server.get("/health").await.json()["status"], "degraded");
    assert_eq!(
        server.get("/health/ready").await.status,
        200,
        "it serves what it has"
    );
    let metrics = server.get("/metrics").await.text();
    assert!(
        metrics.lines().any(
            |line| line.starts_with("tidings_journal_damaged_places ") && !line.ends_with(" 0")
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_acknowledged_events_is_not_ready_until_it_is_confirmed() {
    let house = House::new();
    let server = house.start().await;
    let mut ids = Vec::new();
    for number in 0..9 {
        ids.push(server.notify(&format!("number {number}")).await);
    }
    stop(&house, server).await;
    let journal = house.0.path().join("db/0.jnl");
    let fourth = fs::read(&journal)
        .unwrap()
        .windows(8)
        .position(|bytes| bytes == b"number 4")
        .unwrap();
    flip(&journal, fourth);
    // If a server is killed, this file is not up to date.
    fs::remove_file(house.0.path().join("synced")).unwrap();

    let server = house.start().await;
    server
        .get("/health/ready")
        .await
        .assert_refused(503, "journal_unavailable");
    assert_eq!(server.get("/health").await.json()["status"], "degraded");
    let mut stream = server.resumed("/notifications/stream", "", &ids[8]).await;
    stream.expect("connected").await;
    assert_eq!(stream.expect("reset").await.data["reason"], "ahead");
    let live = server.notify("live").await;
    assert_eq!(stream.expect("notification").await.last_id, live);
    let mut earlier = server.resumed("/notifications/stream", "", &ids[2]).await;
    earlier.expect("connected").await;
    assert_eq!(earlier.expect("notification").await.last_id, ids[3]);

    let files = fs::read_dir(house.0.path())
        .unwrap()
        .flatten()
        .map(|file| file.path());
    let cut: Vec<_> = files
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("cut-")
        })
        .collect();
    assert!(
        fs::read(&cut[0])
            .unwrap()
            .windows(8)
            .any(|bytes| bytes == b"number 8"),
        "what was lost is kept"
    );
    fs::remove_file(&cut[0]).unwrap();
    until(async || server.get("/health/ready").await.status == 200).await;
    assert_eq!(server.get("/health").await.json()["status"], "ok");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn no_publish_is_acknowledged_once_the_directory_is_gone_whatever_the_load() {
    for removed in [true, false] {
        let house = House::new();
        let server = std::sync::Arc::new(house.start().await);
        let (over, watched) = tokio::sync::watch::channel(false);
        let publishers: Vec<_> = (0..8)
            .map(|_| {
                let (server, watched) = (server.clone(), watched.clone());
                tokio::spawn(async move {
                    let mut late = Vec::new();
                    loop {
                        let after = *watched.borrow();
                        let body = json!({"title": "T", "message": "M"});
                        let status = server
                            .call("POST", "/notifications/send", ADMIN, body)
                            .await
                            .status;
                        if after {
                            late.push(status);
                        }
                        if late.len() == 5 {
                            return late;
                        }
                    }
                })
            })
            .collect();
        until(async || {
            server
                .get("/events?topic=notifications&limit=50")
                .await
                .json()["end"]
                == false
        })
        .await;
        let dir = house.0.path();
        let elsewhere = dir.with_extension("moved");
        if removed {
            // The server may be creating a file in the directory at this moment.
            until(async || fs::remove_dir_all(dir).is_ok() || !dir.exists()).await;
        } else {
            fs::rename(dir, &elsewhere).unwrap();
        }
        over.send(true).unwrap();
        for publisher in publishers {
            assert_eq!(publisher.await.unwrap(), [503; 5]);
        }
        server
            .get("/health/ready")
            .await
            .assert_refused(503, "journal_unavailable");
        drop(server);
        let _ = fs::remove_dir_all(elsewhere);
    }
}
