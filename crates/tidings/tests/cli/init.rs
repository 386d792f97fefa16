//! `tidings init`: what it writes is what a server starts with, and nothing is ever overwritten.

use std::fs;

use crate::support::{Place, stderr};

#[tokio::test]
async fn the_written_file_starts_a_server_in_both_modes() {
    for (words, mode) in [
        (&["init"][..], "development"),
        (&["init", "production"], "production"),
    ] {
        let place = Place::new();
        let said = place.succeed(words).await;
        assert!(
            said.starts_with(&format!("tidings.toml was written for {mode}, ")),
            "{said}"
        );
        let written = fs::read_to_string(place.directory().join("tidings.toml")).unwrap();

        let settings = place.succeed(&["config"]).await;
        assert!(
            settings.contains(&format!("APP_ENV = {mode}  # tidings.toml\n")),
            "{settings}"
        );
        assert!(
            settings.contains("JWT_SECRET = (hidden, 64 bytes)  # tidings.toml\n"),
            "{settings}"
        );
        assert!(!settings.contains("# warning"), "{settings}");

        let server = place.serve().await;
        assert_eq!(server.call("GET", "/health").await.1["environment"], mode);
        let token = place
            .succeed(&["token", "--sub", "ann", "--role", "admin"])
            .await;
        let ann = Place::new().env("TIDINGS_URL", &format!("http://{}", server.address));
        ann.env("TIDINGS_TOKEN", token.trim_end())
            .notify("Hi")
            .await;
        assert_eq!(
            fs::read_to_string(place.directory().join("tidings.toml")).unwrap(),
            written
        );
    }
}

#[tokio::test]
async fn nothing_is_ever_overwritten() {
    let place = Place::new();
    let file = place.directory().join("tidings.toml");
    fs::write(&file, "port = 4000\n").unwrap();
    for words in [
        &["init"][..],
        &["init", "production"],
        &["init", "--file", "./tidings.toml"],
    ] {
        let (said, code) = place.fail(words).await;
        assert!(
            said.contains("tidings.toml already exists and was not changed"),
            "{said}"
        );
        assert_eq!((said.lines().count(), code), (1, Some(1)));
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "port = 4000\n");
}

/// Of many that begin at once, one writes, and its file is whole.
#[tokio::test]
async fn only_one_of_several_at_the_same_time_writes_the_file() {
    let place = Place::new();
    let (a, b, c, d) = tokio::join!(
        place.run(&["init"]),
        place.run(&["init"]),
        place.run(&["init"]),
        place.run(&["init"])
    );
    let written = [&a, &b, &c, &d]
        .into_iter()
        .filter(|output| output.status.success())
        .count();
    assert_eq!(written, 1, "{}", stderr(&a));
    place.succeed(&["config"]).await;
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_file_and_no_link_is_followed() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = Place::new();
    place
        .succeed(&["init", "production", "--file", "server.toml"])
        .await;
    let mode = fs::metadata(place.directory().join("server.toml"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let link = place.directory().join("tidings.toml");
    std::os::unix::fs::symlink("elsewhere", &link).unwrap();
    assert!(place.fail(&["init"]).await.0.contains("already exists"));
    assert!(!place.directory().join("elsewhere").exists());
}

#[tokio::test]
async fn a_path_that_can_not_be_written_is_an_error_in_one_line() {
    let (said, code) = Place::new()
        .fail(&["init", "--file", "no/such/place.toml"])
        .await;
    assert!(
        said.starts_with("tidings: no/such/place.toml can't be written: "),
        "{said}"
    );
    assert_eq!((said.lines().count(), code), (1, Some(1)));
}

#[tokio::test]
async fn on_standard_output_there_is_only_the_file() {
    let place = Place::new();
    let file = place.succeed(&["init", "production", "--file", "-"]).await;
    assert!(
        file.contains("\napp_env = \"production\"\n") && file.contains("\njwt_secret = \""),
        "{file}"
    );
    assert_eq!(fs::read_dir(place.directory()).unwrap().count(), 0);
}

#[tokio::test]
async fn settings_that_override_the_file_cause_a_warning() {
    let place = Place::new();
    fs::write(
        place.directory().join(".env"),
        "JWT_SECRET=c29tZSBvdGhlciBzZWNyZXQgdGhhdCB3YXMgaGVyZQ\n",
    )
    .unwrap();
    let output = place.run(&["init", "production"]).await;
    assert!(output.status.success());
    let said = stderr(&output);
    assert_eq!(
        said,
        "tidings: warning: JWT_SECRET is also set elsewhere (.env line 1), which overrides \
         tidings.toml\n"
    );
    let output = Place::new()
        .env("APP_ENV", "development")
        .run(&["init", "production"])
        .await;
    assert!(
        stderr(&output).contains("APP_ENV is also set elsewhere (environment)"),
        "{}",
        stderr(&output)
    );
}
