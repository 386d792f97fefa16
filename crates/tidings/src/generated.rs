//! The manual page and the shell completions, generated from the commands. Packages install them.
//!
//! Compiled for tests only, so that the binary does not include the generators; `cargo xtask docs`
//! writes the files.

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use tidings_fresh::assert_fresh;
use tidings_server::config::table;

use super::command;

const FILES: [(&str, &str); 3] = [
    (
        "tidings.toml",
        "Settings, in the working directory; `tidings init` writes one.",
    ),
    (
        ".env",
        "Settings as variables, in the working directory; they override those of tidings.toml.",
    ),
    (
        "./data",
        "The log, unless DATA_DIR names another directory.",
    ),
];

const VARIABLES: [(&str, &str); 4] = [
    (
        "TIDINGS_URL",
        "The address of the server for the commands that call one, unless --url is given.",
    ),
    (
        "TIDINGS_TOKEN",
        "The token of these commands, unless --token is given.",
    ),
    (
        "SSL_CERT_FILE",
        "The root certificates for https, instead of the system's.",
    ),
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "The address to which a server that was built with traces sends them.",
    ),
];

const EXIT_CODES: [(&str, &str); 3] = [
    (
        "0",
        "The command succeeded; check and doctor found no problem, and health a server that is \
         ready.",
    ),
    ("1", "It did not, and the output says why."),
    (
        "2",
        "The command line is invalid, or doctor could not measure anything; health exits with 1 \
         instead.",
    ),
];

/// Returns the names of all settings, as in `tidings.toml`.
fn setting_names() -> Vec<&'static str> {
    table().iter().map(|setting| setting.key).collect()
}

fn manual() -> String {
    let mut root = command();
    root.build();
    let man = Man::new(root.clone()).manual("User Commands");
    let mut page = written(|out| man.render_title(out));
    // no justified margin, because it would tear lines with long words apart
    page += ".ad l\n.nh\n";
    page += &written(|out| man.render_name_section(out));
    page += ".SH SYNOPSIS\n.B tidings\n[\\fIoptions\\fR]\n.br\n.B tidings\n\\fIcommand\\fR \
             [\\fIoptions\\fR]\n";
    page += ".SH DESCRIPTION\n";
    page += &text(
        "Tidings accepts events over HTTP and delivers them to browsers and programs as plain \
         Server-Sent Events. Without a command it runs the server. It needs no settings: by \
         default it listens on http://localhost:3000, for development.",
    );
    page += ".SH COMMANDS\n";
    for below in root.get_subcommands() {
        command_section(&mut page, below, true);
    }
    page += ".SH SETTINGS\n";
    page += &text(
        "Each setting is an option of the commands that say so, a variable in the environment and \
         in .env, and a key in tidings.toml. Options override the environment, which overrides \
         .env, then tidings.toml, then the default.",
    );
    let settings = root.mut_args(|argument| {
        let hidden = !setting_names().contains(&argument.get_id().as_str());
        argument.hide(hidden)
    });
    page += &options(settings);
    for (title, rows) in [
        ("FILES", &FILES[..]),
        ("ENVIRONMENT", &VARIABLES),
        ("EXIT STATUS", &EXIT_CODES),
    ] {
        let mut roff = Roff::new();
        roff.control("SH", [title]);
        for (name, about) in rows {
            roff.control("TP", []);
            roff.text([bold(*name)]);
            roff.text([roman(*about)]);
        }
        page += &roff.render();
    }
    // Each rendered piece begins with the same preamble; only the first is kept.
    let preamble = Roff::new().render();
    format!("{preamble}{}", ascii(&page.replace(&preamble, "")))
}

/// Replaces characters outside ASCII by escapes, because not every formatter knows the encoding.
fn ascii(page: &str) -> String {
    let named = |c: char| {
        if c.is_ascii() {
            c.to_string()
        } else {
            format!("\\[u{:04X}]", u32::from(c))
        }
    };
    page.chars().map(named).collect()
}

/// Writes one command and its subcommands.
fn command_section(page: &mut String, command: &Command, top: bool) {
    let name = command.get_bin_name().unwrap_or_default().to_owned();
    let mut roff = Roff::new();
    roff.control(
        if top { "SS" } else { "PP" },
        if top { vec![name.as_str()] } else { vec![] },
    );
    if !top {
        roff.text([bold(name)]);
        roff.control("br", []);
    }
    let about = command.get_long_about().or_else(|| command.get_about());
    for paragraph in about
        .map(ToString::to_string)
        .unwrap_or_default()
        .split("\n\n")
    {
        roff.text([roman(format!("{}.", paragraph.trim_end_matches('.')))]);
        roff.control("PP", []);
    }
    let settings = setting_names();
    let is_setting = |argument: &clap::Arg| {
        settings.contains(&argument.get_id().as_str()) && !argument.is_hide_set()
    };
    if command
        .get_arguments()
        .filter(|argument| is_setting(argument))
        .count()
        == settings.len()
    {
        roff.text([roman("Every setting is an option of this command.")]);
    }
    *page += &roff.render();
    let own = command.clone().mut_args(|argument| {
        let hidden = argument.is_hide_set()
            || is_setting(&argument)
            || argument.get_id().as_str().starts_with("help");
        argument.hide(hidden)
    });
    *page += &options(own);
    for below in command.get_subcommands() {
        command_section(page, below, false);
    }
}

/// Returns the options of a command without their headings, each of which would become a chapter.
fn options(command: Command) -> String {
    let man = Man::new(command.mut_args(|argument| argument.help_heading(None::<&str>)));
    let options = written(|out| man.render_options_section(out));
    options
        .lines()
        .filter(|line| !line.starts_with(".SH "))
        .flat_map(|line| [line, "\n"])
        .collect()
}

fn text(words: &str) -> String {
    let mut roff = Roff::new();
    roff.text([roman(words)]);
    roff.render()
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_committed_manual_is_fresh() {
    assert_fresh("deploy/man/tidings.1", &manual());
}

#[test]
fn the_committed_completions_are_fresh() {
    for (shell, file) in [
        (Shell::Bash, "tidings.bash"),
        (Shell::Zsh, "_tidings"),
        (Shell::Fish, "tidings.fish"),
    ] {
        let mut out = Vec::new();
        clap_complete::generate(shell, &mut command(), "tidings", &mut out);
        assert_fresh(
            &format!("deploy/completions/{file}"),
            &String::from_utf8(out).unwrap(),
        );
    }
}

#[test]
fn the_manual_describes_each_command_and_each_setting() {
    let manual = manual();
    for below in command().get_subcommands() {
        assert!(
            manual.contains(&format!("\n.SS \"tidings {}\"", below.get_name())),
            "{}\n{manual}",
            below.get_name()
        );
    }
    for name in setting_names() {
        let option = format!("\\fB\\-\\-{}\\fR", name.replace('_', "\\-"));
        assert_eq!(manual.matches(&option).count(), 1, "{option}\n{manual}");
    }
}
