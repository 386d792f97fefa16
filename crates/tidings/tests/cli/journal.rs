//! `tidings journal`: what it tells of a log that no server has open, and `tidings tail` over a
//! server that was restarted.

use serde_json::{Value, json};

use crate::support::Place;

/// A directory whose server published `one`, `two` to all and a status, and has ended. Returns the
/// ids of the two.
async fn house() -> (Place, String, String) {
    let house = Place::new();
    let server = house.serve().await;
    let caller = Place::new().calling(server.address);
    let ids = (caller.notify("one").await, caller.notify("two").await);
    for status in ["offline", "online"] {
        caller
            .succeed(&["publish", "status", "--service", "db", "--status", status])
            .await;
    }
    server.kill().await;
    (house, ids.0, ids.1)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn stats_shows_events_and_topics() {
    let (house, _, two) = house().await;
    let shown = house.succeed(&["journal", "stats"]).await;
    for part in ["events   3, 1 of them", "starts   1", "notifications"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    let stats: Value = serde_json::from_str(
        &house
            .succeed(&["journal", "stats", "./data", "--json"])
            .await,
    )
    .unwrap();
    assert_eq!(
        (&stats["events"], &stats["keyed"], &stats["head"]),
        (&json!(3), &json!(1), &json!(4))
    );
    assert_eq!(stats["epochs"][0]["epoch"], two.split('-').next().unwrap());
    let notifications = stats["topics"]
        .as_array()
        .unwrap()
        .iter()
        .find(|topic| topic["topic"] == "notifications");
    assert_eq!(notifications.unwrap()["events"], 2);
}

#[tokio::test]
async fn verify_accepts_a_log_without_damage() {
    let (house, _, _) = house().await;
    assert!(
        house
            .succeed(&["journal", "verify"])
            .await
            .starts_with("./data: 3 events and ")
    );
}

#[tokio::test]
async fn export_writes_each_event_as_a_line_in_the_order_of_the_log() {
    let (house, one, two) = house().await;
    let all = lines(&house.succeed(&["journal", "export"]).await);
    assert_eq!(
        all.iter()
            .map(|event| event["event"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["notification", "notification", "system-status"]
    );
    assert_eq!(
        (&all[0]["id"], &all[0]["data"]["title"]),
        (&json!(one), &json!("one"))
    );
    assert_eq!(
        (&all[0]["topics"], &all[0]["key"]),
        (&json!(["notifications"]), &json!(null))
    );
    assert_eq!(
        (&all[2]["key"], &all[2]["data"]["status"]),
        (&json!("db"), &json!("online"))
    );
    let times = [
        &all[0]["data"]["timestamp"],
        &all[0]["time"],
        &all[1]["time"],
    ]
    .map(|time| time.as_str().unwrap());
    assert!(times.is_sorted(), "written after it was made: {times:?}");
    let rest = lines(
        &house
            .succeed(&[
                "journal",
                "export",
                "--after",
                &one,
                "--topic",
                "notifications",
            ])
            .await,
    );
    assert_eq!(
        rest.iter().map(|event| &event["id"]).collect::<Vec<_>>(),
        [&json!(two)]
    );
    let status = lines(
        &house
            .succeed(&["journal", "export", "--topic", "system/*"])
            .await,
    );
    assert_eq!(status.len(), 1);
}

#[tokio::test]
async fn a_log_of_an_earlier_version_is_inspected_without_converting_it() {
    let house = Place::new().of_version_0_1();
    assert!(
        house
            .succeed(&["journal", "verify"])
            .await
            .ends_with(" receipts, none damaged\n")
    );
    assert!(
        house
            .succeed(&["journal", "stats"])
            .await
            .contains("starts   3")
    );
    assert!(lines(&house.succeed(&["journal", "export"]).await).len() > 50);
    let format = std::fs::read_to_string(house.data().join("FORMAT")).unwrap();
    assert_eq!(
        format, "tidings journal, format 1\n",
        "the version that wrote it can go on with it"
    );
}

#[tokio::test]
async fn what_can_not_be_inspected_is_an_error_in_one_line() {
    let (house, one, _) = house().await;
    let above = format!("{}-99", one.split('-').next().unwrap());
    for (arguments, why) in [
        (
            &["journal", "export", "--after", "00000000-1"][..],
            "another log",
        ),
        (&["journal", "export", "--after", &above], "above the end"),
        (
            &["journal", "export", "--after", "nonsense"],
            "not an event id",
        ),
        (&["journal", "stats", "./nowhere"], "nowhere"),
        (&["journal", "verify", "."], "is not a journal"),
    ] {
        let (said, code) = house.fail(arguments).await;
        assert!(said.contains(why), "{arguments:?}: {said}");
        assert_eq!((said.lines().count(), code), (1, Some(1)), "{said}");
    }
    let server = house.serve().await;
    for what in ["stats", "verify", "export"] {
        let (said, code) = house.fail(&["journal", what]).await;
        assert!(said.contains("in use by process"), "{said}");
        assert_eq!((said.lines().count(), code), (1, Some(1)), "{said}");
    }
    server.kill().await;
}

#[tokio::test]
async fn verify_finds_damage() {
    let (house, _, _) = house().await;
    // Once more, to an end in peace: from then on everything is known to be safe, and no damage is
    // taken for a torn end.
    house.serve().await.terminate().await;
    // What was written last is in the engine's write-ahead log.
    let logs = std::fs::read_dir(house.data().join("db"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let logs = logs.filter(|path| path.extension().is_some_and(|extension| extension == "jnl"));
    let file = logs
        .max_by_key(|path| path.metadata().unwrap().modified().unwrap())
        .unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    // In an event: behind the last of them there are only notes of the log's own, whose loss loses
    // nothing.
    let event = bytes
        .windows(7)
        .position(|text| text == b"\"title\"")
        .unwrap();
    bytes[event] ^= 0xff;
    std::fs::write(file, bytes).unwrap();
    for what in ["stats", "verify", "export"] {
        let (said, code) = house.fail(&["journal", what]).await;
        assert!(
            said.contains("./data") && said.contains("damaged"),
            "{said}"
        );
        assert_eq!((said.lines().count(), code), (1, Some(1)), "{said}");
    }
}

#[tokio::test]
async fn tail_resumes_after_an_id_from_before_a_restart() {
    let (house, one, two) = house().await;
    let server = house.serve().await;
    let place = Place::new().calling(server.address);
    let three = place.notify("three").await;
    let all = place
        .succeed(&[
            "tail",
            "--after=earliest",
            "--event=notification",
            "--count=3",
            "--json",
        ])
        .await;
    assert_eq!(
        lines(&all)
            .iter()
            .map(|event| event["id"].clone())
            .collect::<Vec<_>>(),
        [&*one, &*two, &*three]
    );
    let rest = place
        .succeed(&[
            "tail",
            "--after",
            &one,
            "--event=notification",
            "--count=2",
            "--json",
        ])
        .await;
    assert_eq!(
        lines(&rest)
            .iter()
            .map(|event| event["id"].clone())
            .collect::<Vec<_>>(),
        [&*two, &*three]
    );
}
