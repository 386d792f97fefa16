//! Tests of several settings together, of the layers, and of the start as a whole.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

/// The inputs of a start: a working directory with files, flags, and environment variables.
struct Start {
    directory: TempDir,
    flags: Flags,
    environment: Vec<(String, String)>,
}

fn start() -> Start {
    Start {
        directory: tempfile::tempdir().unwrap(),
        flags: Flags::default(),
        environment: Vec::new(),
    }
}

impl Start {
    fn flag(mut self, key: &str, text: &str) -> Self {
        self.flags.settings.push((key.to_owned(), text.to_owned()));
        self
    }

    fn env(mut self, name: &str, text: &str) -> Self {
        self.environment.push((name.to_owned(), text.to_owned()));
        self
    }

    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.directory.path().join(name), content).unwrap();
        self
    }

    fn load(self) -> Result<Loaded, Error> {
        Config::load(
            self.flags,
            self.environment.into_iter(),
            self.directory.path(),
        )
    }

    fn loaded(self) -> Loaded {
        self.load().unwrap()
    }

    /// Returns the error, which must be one line.
    fn refused(self) -> String {
        let error = self.load().unwrap_err().to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }
}

const STRONG: &str = "Zm9yIHRlc3RzIG9ubHkgYW5kIG5vIG90aGVyIHVzZQ";

#[test]
fn without_any_setting_the_server_is_in_development_mode_on_port_3000() {
    let config = start().loaded().config;
    assert_eq!(config.mode, Mode::Development);
    assert_eq!(config.http.port, 3000);
    assert_eq!(config.http.host, Host::Loopback);
    assert_eq!(config.http.base_path, None);
    assert_eq!(config.http.max_body_bytes, 250 * 1024);
    assert!(config.auth.demo);
    assert!(config.auth.jwt_secret.is_none());
    assert_eq!(config.streams.heartbeat_interval, Duration::from_secs(25));
    assert_eq!(config.lifecycle.drain, Duration::from_secs(8));
    assert_eq!(config.log.format, Format::Text);
    assert_eq!(
        (config.journal.home, config.journal.data_dir.to_str()),
        (Home::Disk, Some("./data"))
    );
    let mut embedded = Config::default();
    assert_eq!(
        embedded.journal.home,
        Home::Memory,
        "a library writes nothing that nobody asked for"
    );
    embedded.journal.home = Home::Disk;
    assert_eq!(format!("{config:?}"), format!("{embedded:?}"));
}

#[test]
fn production_has_defaults_of_its_own() {
    let config = start()
        .env("NODE_ENV", "production")
        .env("JWT_SECRET", STRONG)
        .loaded()
        .config;
    assert_eq!(config.mode, Mode::Production);
    assert_eq!(config.http.host, Host::Everywhere);
    assert!(!config.auth.demo);
    assert_eq!(config.log.format, Format::Json);
}

#[test]
fn each_layer_comes_before_the_next() {
    let mut start = start()
        .flag("port", "1")
        .env("PORT", "2")
        .file(".env", "# ports\nPORT=3\n")
        .file("tidings.toml", "port = 4\n");
    let mut seen = Vec::new();
    let mut look = |start: &Start| {
        let environment = start.environment.clone().into_iter();
        let loaded =
            Config::load(start.flags.clone(), environment, start.directory.path()).unwrap();
        seen.push(format!(
            "{} {}",
            loaded.config.http.port,
            loaded.origin("PORT").unwrap()
        ));
    };
    look(&start);
    start.flags.settings.clear();
    look(&start);
    start.environment.clear();
    look(&start);
    fs::remove_file(start.directory.path().join(".env")).unwrap();
    look(&start);
    fs::remove_file(start.directory.path().join("tidings.toml")).unwrap();
    look(&start);
    assert_eq!(
        seen,
        [
            "1 flag --port",
            "2 environment",
            "3 .env line 2",
            "4 tidings.toml",
            "3000 default"
        ]
    );
}

#[test]
fn an_empty_variable_counts_as_absent_and_an_empty_flag_does_not() {
    let layers = || {
        start()
            .file("tidings.toml", "auth_cookie = 'session'\n")
            .file(".env", "AUTH_COOKIE=\n")
    };
    let absent = layers().env("AUTH_COOKIE", "").loaded();
    assert_eq!(absent.config.auth.cookie.as_deref(), Some("session"));
    let none = layers().flag("auth_cookie", "").loaded();
    assert_eq!(none.config.auth.cookie, None);
}

#[test]
fn the_last_of_several_lines_for_one_name_counts() {
    assert_eq!(
        start()
            .file(".env", "PORT=1\nPORT=2\n")
            .loaded()
            .config
            .http
            .port,
        2
    );
    assert_eq!(
        start()
            .flag("port", "1")
            .flag("port", "2")
            .loaded()
            .config
            .http
            .port,
        2
    );
}

#[test]
fn the_file_may_use_its_own_numbers_booleans_and_arrays() {
    let config = start()
        .file(
            "tidings.toml",
            "port = 8080\nopen_publish = true\nheartbeat_interval = 5\nmax_body_bytes = \
             '1MiB'\njwt_issuer = ['https://a.example', 'https://b.example']\ntrusted_proxies = \
             '10.0.0.0/8, ::1'\n",
        )
        .loaded()
        .config;
    assert_eq!(config.http.port, 8080);
    assert!(config.auth.open_publish);
    assert_eq!(config.streams.heartbeat_interval, Duration::from_secs(5));
    assert_eq!(config.http.max_body_bytes, 1 << 20);
    assert_eq!(
        config.auth.jwt_issuers,
        ["https://a.example", "https://b.example"]
    );
    assert_eq!(config.http.trusted_proxies.len(), 2);
}

#[test]
fn a_named_file_replaces_tidings_toml_and_must_exist() {
    let mut named = start()
        .file("tidings.toml", "port = 1")
        .file("other.toml", "host = '::'");
    named.flags.file = Some("other.toml".into());
    let config = named.loaded().config;
    assert_eq!(
        (config.http.port, config.http.host),
        (3000, Host::Everywhere)
    );

    let mut missing = start();
    missing.flags.file = Some("other.toml".into());
    insta::assert_snapshot!(missing.refused(), @"other.toml can't be read: No such file or directory (os error 2)");
}

#[test]
fn a_bad_value_from_any_source_stops_the_start() {
    insta::assert_snapshot!(start().flag("port", "70000").refused(), @"PORT=70000 (flag --port) is not allowed; allowed: a whole number from 0 to 65535");
    insta::assert_snapshot!(start().env("HEARTBEAT_INTERVAL", "2h").refused(), @"HEARTBEAT_INTERVAL=2h (environment) is not allowed; allowed: a duration from 100ms to 1h");
    insta::assert_snapshot!(start().file(".env", "\nMAX_BODY_BYTES=256KB").refused(), @"MAX_BODY_BYTES=256KB (.env line 2) is not allowed; allowed: a size from 1KiB to 64MiB");
    insta::assert_snapshot!(start().file("tidings.toml", "log_format = 'xml'").refused(), @"LOG_FORMAT=xml (tidings.toml) is not allowed; allowed: `text` or `json`");
    insta::assert_snapshot!(start().file("tidings.toml", "port = [1, 2]").refused(), @"PORT=1,2 (tidings.toml) is not allowed; allowed: a whole number from 0 to 65535");
    insta::assert_snapshot!(start().file("tidings.toml", "[port]\nnumber = 1").refused(), @"PORT={ number = 1 } (tidings.toml) is not allowed; allowed: a whole number from 0 to 65535");
    insta::assert_snapshot!(start().env("NODE_ENV", "test").refused(), @"NODE_ENV=test (environment) is not allowed; allowed: `development` or `production`");
    insta::assert_snapshot!(start().env("JOURNAL", "tape").refused(), @"JOURNAL=tape (environment) is not allowed; allowed: `disk` or `memory`");
    insta::assert_snapshot!(start().env("LOG_LEVEL", "debgu").refused(), @"LOG_LEVEL=debgu (environment) is not allowed; allowed: `trace`, `debug`, `info`, `warn`, `error` or `off`, or a filter such as `info,tidings_hub=debug`");
    insta::assert_snapshot!(start().env("HOST", "my\nbox").refused(), @r"HOST=my\nbox (environment) is not allowed; allowed: a list, separated by commas, of IP addresses or `localhost`");
}

#[test]
fn an_unknown_key_in_the_file_stops_the_start() {
    insta::assert_snapshot!(start().file("tidings.toml", "hearbeat_interval = '25s'").refused(), @"hearbeat_interval=25s (tidings.toml) is not a setting; did you mean heartbeat_interval?");
    insta::assert_snapshot!(start().file("tidings.toml", "PORT = 1").refused(), @"PORT=1 (tidings.toml) is not a setting; did you mean port?");
    insta::assert_snapshot!(start().file("tidings.toml", "[http]\nport = 1").refused(), @"http={ port = 1 } (tidings.toml) is not a setting; `tidings --help` lists all settings");
    insta::assert_snapshot!(start().file("tidings.toml", "jwt_sceret = 'correct horse'").refused(), @"jwt_sceret=(hidden) (tidings.toml) is not a setting; did you mean jwt_secret?");
    insta::assert_snapshot!(start().flag("colour", "red").refused(), @"colour=red (flag --colour) is not a setting; `tidings --help` lists all settings");
}

#[test]
fn a_file_that_cannot_be_understood_stops_the_start() {
    insta::assert_snapshot!(start().file("tidings.toml", "port = 1\nhost = 'a\n").refused(), @"tidings.toml, line 2, can't be understood: invalid literal string, expected `'`");
    insta::assert_snapshot!(start().file("tidings.toml", "port = 1\nport = 2\n").refused(), @"tidings.toml, line 2, can't be understood: duplicate key");
    insta::assert_snapshot!(start().file(".env", "PORT=1\nHOST local\n").refused(), @".env, line 2, can't be understood: write NAME=value, with single quotes around a value that contains spaces, quotes or backslashes");
    insta::assert_snapshot!(start().file(".env", b"PORT=\xff").refused(), @".env, line 1, can't be understood: write NAME=value, with single quotes around a value that contains spaces, quotes or backslashes");
    insta::assert_snapshot!(start().file("tidings.toml", b"port = 1\nhost = '\xff'").refused(), @"tidings.toml, line 2, can't be understood: it is not UTF-8");
    let directory = start();
    fs::create_dir(directory.directory.path().join("tidings.toml")).unwrap();
    assert!(
        directory
            .refused()
            .starts_with("tidings.toml can't be read: ")
    );
}

#[test]
fn lines_of_other_programs_in_dotenv_are_skipped_with_a_warning_that_hides_their_text() {
    let file = b"APP_NAME=My Cool App\nPORT=3118\nLATIN=caf\xe9\nJWT_SERCET=it's hunter2\nHOST=localhost\n";
    let loaded = start().file(".env", file).loaded();
    assert_eq!(
        (loaded.config.http.port, loaded.config.http.host),
        (3118, Host::Loopback)
    );
    insta::assert_snapshot!(loaded.warnings.join("\n"), @r"
    JWT_SERCET (.env line 4) is not a setting and has no effect; did you mean JWT_SECRET?
    .env, lines 1, 3 and 4 were not understood, and skipped because no setting is named there
    ");
    let many = start().file(".env", "a line\n".repeat(25)).loaded();
    insta::assert_snapshot!(many.warnings.join("\n"), @".env, lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 15 more were not understood, and skipped because no setting is named there");
    let one = start().file(".env", "a line\n").loaded();
    insta::assert_snapshot!(one.warnings.join("\n"), @".env, line 1 was not understood, and skipped because no setting is named there");
    let directory = start();
    fs::create_dir(directory.directory.path().join(".env")).unwrap();
    insta::assert_snapshot!(directory.loaded().warnings.join("\n"), @".env is a directory, so no settings are read from it");
}

#[test]
fn a_path_may_begin_with_the_home_directory_and_likely_mistakes_in_a_path_are_refused() {
    let at_home = || {
        start()
            .env("HOME", "/home/ann")
            .file(".env", "DATA_DIR=~/tidings-data\n")
    };
    let loaded = at_home().loaded();
    assert_eq!(
        loaded.config.journal.data_dir.to_str(),
        Some("/home/ann/tidings-data")
    );
    assert_eq!(loaded.value("DATA_DIR"), Some("/home/ann/tidings-data"));
    let flag = at_home().flag("data_dir", "~/other").loaded();
    assert_eq!(
        flag.config.journal.data_dir.to_str(),
        Some("/home/ann/other")
    );
    assert_eq!(flag.warnings, Vec::<String>::new());
    let homeless = start()
        .file("tidings.toml", "data_dir = '~/tidings-data'")
        .refused();
    insta::assert_snapshot!(homeless, @"DATA_DIR=~/tidings-data (tidings.toml) is not allowed; allowed: the path of a directory, which may begin with `~/` if HOME is set, and contains no quotes, variables or `file:`");
    for path in [
        "~bob/data",
        "$HOME/data",
        "${HOME}/data",
        "file:///srv/data",
        "\"/srv/data\"",
    ] {
        let refused = start()
            .env("HOME", "/home/ann")
            .env("DATA_DIR", path)
            .refused();
        assert!(
            refused.starts_with(&format!("DATA_DIR={}", path.escape_debug())),
            "{refused}"
        );
    }
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("t.toml"), "port = 7").unwrap();
    let mut named = start().env("HOME", directory.path().to_str().unwrap());
    named.flags.file = Some("~/t.toml".into());
    assert_eq!(named.loaded().config.http.port, 7);
}

#[test]
fn a_byte_order_mark_is_not_part_of_the_first_name() {
    assert_eq!(
        start()
            .file(".env", "\u{feff}PORT=1")
            .loaded()
            .config
            .http
            .port,
        1
    );
    assert_eq!(
        start()
            .file("tidings.toml", "\u{feff}port = 2")
            .loaded()
            .config
            .http
            .port,
        2
    );
}

#[test]
fn unknown_variables_are_ignored_and_misspelled_ones_cause_a_warning() {
    let loaded = start()
        .env("PATH", "/bin")
        .env("HEARTBEAT_INTERVALL", "5s")
        .file(".env", "DATABASE_URL=postgres://\nJWT_SERCET=hunter2\n")
        .loaded();
    insta::assert_snapshot!(loaded.warnings.join("\n"), @r"
    HEARTBEAT_INTERVALL (environment) is not a setting and has no effect; did you mean HEARTBEAT_INTERVAL?
    JWT_SERCET (.env line 2) is not a setting and has no effect; did you mean JWT_SECRET?
    ");
}

#[test]
fn a_bad_value_that_another_layer_overrides_only_causes_a_warning() {
    let loaded = start()
        .flag("host", "localhost")
        .env("HOST", "mybox")
        .loaded();
    assert_eq!(loaded.config.http.host, Host::Loopback);
    insta::assert_snapshot!(loaded.warnings.join("\n"), @"HOST=mybox (environment) is not allowed; allowed: a list, separated by commas, of IP addresses or `localhost` (this value has no effect, because flag --host takes precedence)");
}

#[test]
fn app_env_comes_before_node_env() {
    let loaded = start()
        .env("NODE_ENV", "test")
        .file(".env", "APP_ENV=development")
        .loaded();
    assert_eq!(loaded.config.mode, Mode::Development);
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let lax = start()
        .env("NODE_ENV", "production")
        .file(".env", "APP_ENV=development")
        .loaded();
    assert_eq!(lax.config.mode, Mode::Development);
    insta::assert_snapshot!(lax.warnings.join("\n"), @"APP_ENV=development takes precedence over NODE_ENV=production: the defaults are those of development, which include demo tokens");
    let strict = start()
        .env("NODE_ENV", "development")
        .env("APP_ENV", "production")
        .env("JWT_SECRET", STRONG)
        .loaded();
    assert_eq!(strict.warnings, Vec::<String>::new());
}

#[test]
fn production_does_not_start_with_demo_tokens_as_the_only_way_in() {
    let production = || start().env("APP_ENV", "production");
    insta::assert_snapshot!(production().refused(), @"JWT_SECRET is not set, and production requires it: with AUTH_DEMO=false (default) nobody could sign in; allowed: a secret of at least 32 bytes");
    insta::assert_snapshot!(production().env("AUTH_DEMO", "true").refused(), @"JWT_SECRET is not set, and production requires it: with AUTH_DEMO=true (environment) as the only way in, anybody could claim to be any user; allowed: a secret of at least 32 bytes");
    let both = production()
        .env("AUTH_DEMO", "true")
        .env("JWT_SECRET", STRONG)
        .loaded();
    assert!(both.config.auth.demo);
    insta::assert_snapshot!(both.warnings.join("\n"), @"AUTH_DEMO=true (environment) lets anybody claim to be any user, in production");
}

#[test]
fn production_does_not_start_with_a_weak_or_published_secret() {
    let with = |secret: &str| {
        start()
            .env("APP_ENV", "production")
            .env("JWT_SECRET", secret)
    };
    insta::assert_snapshot!(with("0123456789012345678901234567890").refused(), @"JWT_SECRET=(hidden) (environment) is only 31 bytes long; allowed in production: at least 32 bytes that nobody can guess");
    insta::assert_snapshot!(with("your-jwt-secret").refused(), @"JWT_SECRET=(hidden) (environment) was published as an example; allowed in production: at least 32 bytes that nobody can guess");
    for published in [
        "your-super-secret-jwt-key-change-in-production",
        "YOUR_JWT_SECRET_YOUR_JWT_SECRET_YOUR_JWT_SECRET",
        "a-string-secret-at-least-256-bits-long",
        "please-change-me-please-change-me-please",
    ] {
        let error = with(published).refused();
        assert!(error.contains("was published as an example"), "{error}");
    }
    with(STRONG).loaded();
}

#[test]
fn development_starts_with_a_weak_secret_and_a_warning() {
    let loaded = start().env("JWT_SECRET", "hunter2").loaded();
    assert_eq!(loaded.config.auth.jwt_secret.unwrap().expose(), "hunter2");
    insta::assert_snapshot!(loaded.warnings.join("\n"), @"JWT_SECRET=(hidden) (environment) is only 7 bytes long; production will require at least 32 bytes that nobody can guess");
}

#[test]
fn guessable_secrets_stop_the_start_of_production_and_poor_ones_cause_a_warning() {
    let with = |name: &str, secret: &str| {
        start()
            .env("APP_ENV", "production")
            .env("JWT_SECRET", STRONG)
            .file(".env", "")
            .flag(name, secret)
    };
    for (secret, why) in [
        (
            "a-string-secret-at-least-256-bits-long",
            "was published as an example",
        ),
        (
            "secretsecretsecretsecretsecretsecret",
            "is made of words that anybody can guess",
        ),
        (
            "0123456789abcdef0123456789abcdef",
            "is a pattern that anybody can guess",
        ),
        (&"a".repeat(64), "is a pattern that anybody can guess"),
    ] {
        for name in ["jwt_secret", "metrics_token"] {
            let refused = with(name, secret).refused();
            assert!(
                refused.contains(why) && refused.starts_with(&name.to_uppercase()),
                "{refused}"
            );
            assert!(!refused.contains(secret), "{refused}");
            let developing = start().flag(name, secret).loaded().warnings.join("\n");
            assert!(
                developing.contains(why) && developing.contains("production will require"),
                "{developing}"
            );
        }
    }
    let poor = with("jwt_secret", "8181418414181848114844181848148188").loaded();
    insta::assert_snapshot!(poor.warnings.join("\n"), @"JWT_SECRET=(hidden) (flag --jwt-secret) has so few different characters that it might be guessed; a later version will refuse it in production. `openssl rand -base64 48` makes a good one");
}

#[test]
fn a_secret_is_used_without_white_space_around_it_which_causes_a_warning() {
    let production = || start().env("APP_ENV", "production");
    let broken = production()
        .env("JWT_SECRET", &format!("{STRONG}\n"))
        .loaded();
    insta::assert_snapshot!(broken.warnings.join("\n"), @"JWT_SECRET=(hidden) (environment) has white space around it, perhaps a line break at the end; it is used without the white space");
    insta::assert_snapshot!(production().env("JWT_SECRET", &format!("short{}", "\n".repeat(32))).refused(), @"JWT_SECRET=(hidden) (environment) is only 5 bytes long; allowed in production: at least 32 bytes that nobody can guess");
    let quoted = production()
        .env("JWT_SECRET", &format!("\"{STRONG}\""))
        .loaded();
    insta::assert_snapshot!(quoted.warnings.join("\n"), @"JWT_SECRET=(hidden) (environment) is between quotes, which are part of the secret; remove them if that is not intended");
    assert!(
        start()
            .env("JWT_SECRET", " \n")
            .loaded()
            .config
            .auth
            .jwt_secret
            .is_none()
    );
}

#[test]
fn every_origin_together_with_credentials_is_refused() {
    insta::assert_snapshot!(start().env("CORS_ORIGIN", "https://a.example, *").refused(), @"CORS_ORIGIN=* (environment) is not allowed together with CORS_CREDENTIALS=true (default); list the origins, or set CORS_CREDENTIALS=false");
    let without = start()
        .env("CORS_ORIGIN", "*")
        .env("CORS_CREDENTIALS", "no")
        .loaded();
    assert_eq!(without.config.cors.origins, ["*"]);
}

#[test]
fn limits_that_the_journal_cannot_apply_are_refused() {
    let keep = || start().env("JOURNAL_KEEP", "chat/room/*=7d,chat/**=10000events");
    assert_eq!(keep().loaded().config.journal.keep.len(), 2);
    assert_eq!(
        keep()
            .flag("journal", "memory")
            .loaded()
            .config
            .journal
            .keep
            .len(),
        2,
        "in memory as on disk"
    );
    insta::assert_snapshot!(start().env("JOURNAL_MAX_BYTES", "64MiB").refused(), @"JOURNAL_MAX_BYTES=64MiB (environment) is too little for the journal on disk; allowed: at least 256MiB, or JOURNAL=memory");
    start()
        .env("JOURNAL_MAX_BYTES", "64MiB")
        .env("JOURNAL", "memory")
        .loaded();
    insta::assert_snapshot!(start().env("JOURNAL_KEEP", "a=7d,b=1d,a=1GiB").refused(), @"JOURNAL_KEEP (environment) names a twice; join its limits with `+`");
    insta::assert_snapshot!(start().env("JOURNAL_KEEP", "chat/**=10000").refused(), @"JOURNAL_KEEP=chat/**=10000 (environment) is not allowed; allowed: a list, separated by commas, of a topic or a pattern, `=`, and limits joined by `+`: an age such as `7d`, a size such as `1GiB`, a number such as `10000events`, each with its unit and at most once; topics that begin with `system` or `_` belong to the server");
}

#[test]
fn a_rule_beyond_the_limits_of_a_journal_in_memory_causes_a_warning() {
    let start = |keep| start().env("JOURNAL", "memory").env("JOURNAL_KEEP", keep);
    insta::assert_snapshot!(start("a=1d,b/**=200000events").loaded().warnings.join("\n"), @"JOURNAL_KEEP (environment) has b/** keep more than the journal in memory keeps of all topics together, 100000 events and 256MiB; raise JOURNAL_MAX_EVENTS or JOURNAL_MAX_BYTES");
    insta::assert_snapshot!(start("a=1GiB").env("JOURNAL_MAX_BYTES", "512MiB").loaded().warnings.join("\n"), @"JOURNAL_KEEP (environment) has a keep more than the journal in memory keeps of all topics together, 100000 events and 512MiB; raise JOURNAL_MAX_EVENTS or JOURNAL_MAX_BYTES");
    assert!(
        start("a=200000events")
            .env("JOURNAL_MAX_EVENTS", "200000")
            .loaded()
            .warnings
            .is_empty()
    );
    assert!(
        start("a=200000events")
            .flag("journal", "disk")
            .loaded()
            .warnings
            .is_empty()
    );
}

#[test]
fn a_drain_longer_than_the_whole_shutdown_causes_a_warning() {
    let loaded = start().env("DRAIN_SECONDS", "60").loaded();
    insta::assert_snapshot!(loaded.warnings.join("\n"), @"SHUTDOWN_TIMEOUT=30s is not longer than DRAIN_SECONDS=1m, so the last streams will be cut");
}

#[test]
fn a_secret_is_never_printed() {
    let secret = "correct-horse";
    let loaded = start().env("JWT_SECRET", secret).loaded();
    assert!(!format!("{loaded:?}").contains(secret));
    for error in [
        start()
            .file("tidings.toml", format!("jwt_secret = ['{secret}']"))
            .refused(),
        start()
            .file("tidings.toml", format!("jwt_secert = '{secret}'"))
            .refused(),
        start()
            .file("tidings.toml", format!("my_token = '{secret}'"))
            .refused(),
        start()
            .file("tidings.toml", format!("jwt_secret = '{secret}\n"))
            .refused(),
        start()
            .file("tidings.toml", format!("jwt_secret = {secret}\n"))
            .refused(),
        start()
            .file(".env", format!("JWT_SECRET={secret} staple"))
            .refused(),
        start()
            .env("APP_ENV", "production")
            .env("JWT_SECRET", secret)
            .refused(),
    ] {
        assert!(!error.contains(secret), "{error}");
    }
}

#[test]
fn the_log_level_is_a_level_or_a_filter() {
    for good in [
        "info",
        "DEBUG",
        "off",
        "info,tidings_hub=trace",
        "warn,tidings_server::http=debug",
    ] {
        assert_eq!(
            start().env("LOG_LEVEL", good).loaded().config.log.level,
            good
        );
    }
    let spaced = start().env("LOG_LEVEL", "warn, tidings_hub=trace").loaded();
    assert_eq!(spaced.config.log.level, "warn,tidings_hub=trace");
    for bad in [
        "verbose",
        "info,",
        "tidings=loud",
        "tidings=",
        "=info",
        "3",
        "warn,tidings[stream]=debug",
        "[{user}]=info",
    ] {
        assert!(start().env("LOG_LEVEL", bad).load().is_err(), "{bad}");
    }
}
