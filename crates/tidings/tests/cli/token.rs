//! `tidings token` and a server that knows the same secret.

use crate::support::Place;

const SECRET: &str = "Zm9yIHRlc3RzIG9ubHkgYW5kIG5vIG90aGVyIHVzZQ";

#[tokio::test]
async fn a_server_with_the_same_secret_accepts_the_token() {
    let settings = || {
        Place::new()
            .env("JWT_SECRET", SECRET)
            .env("JWT_ISSUER", "https://issuer.example")
    };
    let token = settings()
        .succeed(&["token", "--sub", "ann", "--role", "admin"])
        .await;
    let server = settings().env("AUTH_DEMO", "false").serve().await;
    let url = format!("http://{}", server.address);

    let ann = Place::new()
        .env("TIDINGS_URL", &url)
        .env("TIDINGS_TOKEN", token.trim_end());
    ann.notify("Hi").await;
    let connected = ann.succeed(&["tail", "--count=1", "--json"]).await;
    assert!(connected.contains(r#""userId":"ann""#), "{connected}");

    let stranger = Place::new().env("JWT_SECRET", &SECRET.to_lowercase());
    let forged = stranger
        .succeed(&["token", "--sub", "ann", "--role", "admin"])
        .await;
    let stranger = Place::new()
        .env("TIDINGS_URL", &url)
        .env("TIDINGS_TOKEN", forged.trim_end());
    for command in [&["publish", "message", "--room=a", "b"][..], &["tail"]] {
        let (said, code) = stranger.fail(command).await;
        assert_eq!(
            (&*said, code),
            ("tidings: Invalid authentication token (401)\n", Some(1))
        );
    }
}

#[tokio::test]
async fn without_a_secret_no_token_is_signed() {
    let (said, code) = Place::new().fail(&["token", "--sub", "ann"]).await;
    assert!(said.starts_with("tidings: JWT_SECRET is not set"), "{said}");
    assert_eq!((said.lines().count(), code), (1, Some(1)));
}
