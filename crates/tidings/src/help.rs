//! The help of the commands: `--help` fits on a screen, `--help-all` has everything.
//!
//! Owns the topics under which the commands are listed, because clap has one flat list. Must never
//! repeat what a command or a setting says about itself: all of it is generated from the commands
//! and from the table of settings.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::flags::flags;
use crate::overview::overview;

/// The commands by topic, each in the order in which a newcomer needs them.
const TOPICS: [(&str, &[&str]); 3] = [
    (
        "Run a server",
        &["serve", "init", "check", "config", "health"],
    ),
    (
        "Talk to a running server",
        &["publish", "tail", "demo", "token"],
    ),
    ("Measure and examine", &["doctor", "bench", "journal"]),
];

const NAME: &str = "help";
const WORDS: &str = "command";

/// Adds the settings to a command, whose `--help` lists only their names.
pub(super) fn settings(command: Command) -> Command {
    flags(command).after_help(overview()).after_long_help("")
}

/// The command `help`.
pub(super) fn command() -> Command {
    let words = Arg::new(WORDS)
        .value_name("COMMAND")
        .num_args(0..)
        .help("The command to describe");
    Command::new(NAME)
        .about("Print this help, or the help of a command")
        .arg(words)
}

/// Returns the equivalent command line with `--help`, if the command is `help`.
pub(super) fn as_flag(matches: &ArgMatches) -> Option<Vec<OsString>> {
    let matches = matches.subcommand_matches(NAME)?;
    let words = matches
        .get_many::<String>(WORDS)
        .unwrap_or_default()
        .map(OsString::from);
    Some(
        [OsString::from("tidings")]
            .into_iter()
            .chain(words)
            .chain(["--help".into()])
            .collect(),
    )
}

/// Adds the flags `--help` and `--help-all` to a command and its subcommands.
pub(super) fn with_flags(command: Command) -> Command {
    let short = Arg::new("help")
        .short('h')
        .long("help")
        .action(ArgAction::HelpShort)
        .help("Print help");
    let long = Arg::new("help_all")
        .long("help-all")
        .action(ArgAction::HelpLong)
        .help("Print all help: what each setting does, and its default");
    let command = command
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .args([short, long]);
    let names: Vec<_> = command
        .get_subcommands()
        .map(|below| below.get_name().to_owned())
        .collect();
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, with_flags)
    })
}

/// Makes the help of the whole program list the commands by topic.
pub(super) fn by_topic(command: Command) -> Command {
    const TEMPLATE: &str =
        "{about-with-newline}\n{usage-heading} {usage}\n{before-help}{all-args}{after-help}";
    let topics = topics(&command);
    command
        .mut_subcommands(|below| below.hide(true))
        .override_usage("tidings [OPTIONS]\n       tidings <COMMAND>")
        .help_template(TEMPLATE)
        .before_help(topics)
}

fn topics(command: &Command) -> String {
    let width = command
        .get_subcommands()
        .map(|below| below.get_name().len())
        .max()
        .unwrap_or_default();
    let mut page = String::new();
    for (topic, names) in TOPICS {
        let _ = writeln!(page, "\n{topic}:");
        for below in names
            .iter()
            .filter_map(|name| command.find_subcommand(name))
        {
            let about = below
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            let _ = writeln!(page, "  {:<width$}  {about}", below.get_name());
        }
    }
    page.truncate(page.trim_end().len());
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The height of a large terminal window.
    const LINES: usize = 60;

    /// Returns the help that a command line prints.
    fn said(words: &[&str]) -> String {
        let parsed = || super::super::parsed().term_width(80);
        let matches = parsed().try_get_matches_from([&["tidings"], words].concat());
        let error = match matches {
            Ok(matches) => parsed()
                .try_get_matches_from(as_flag(&matches).unwrap())
                .unwrap_err(),
            Err(error) => error,
        };
        assert!(!error.use_stderr(), "{error}");
        error.to_string()
    }

    /// Returns the names of the commands and of their subcommands.
    fn all(command: &Command, above: &[String]) -> Vec<Vec<String>> {
        let mut lines = vec![above.to_vec()];
        for below in command.get_subcommands() {
            lines.extend(all(
                below,
                &[above, &[below.get_name().to_owned()]].concat(),
            ));
        }
        lines
    }

    #[test]
    fn help_fits_on_a_screen() {
        for names in all(&super::super::command(), &[]) {
            let words: Vec<_> = names.iter().map(String::as_str).chain(["--help"]).collect();
            let help = said(&words);
            assert!(
                help.lines().count() <= LINES,
                "{names:?} has {} lines:\n{help}",
                help.lines().count()
            );
            // A usage line is never broken.
            let lines = help.lines().filter(|line| !line.contains("Usage:"));
            let widest = lines.map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= 80, "{names:?} has {widest} columns:\n{help}");
        }
    }

    /// clap treats `{n}` as a line break, wherever it is.
    #[test]
    fn no_text_contains_the_line_break_of_clap() {
        for names in all(&super::super::command(), &[]) {
            let command = super::super::command();
            let below = names
                .iter()
                .try_fold(&command, |command, name| command.find_subcommand(name))
                .unwrap();
            let texts = [
                below.get_about(),
                below.get_long_about(),
                below.get_after_help(),
            ]
            .into_iter()
            .flatten();
            let arguments = below
                .get_arguments()
                .flat_map(|one| [one.get_help(), one.get_long_help()])
                .flatten();
            assert!(
                texts
                    .chain(arguments)
                    .all(|text| !text.to_string().contains("{n}")),
                "{names:?}"
            );
        }
    }

    #[test]
    fn each_command_is_listed_under_one_topic() {
        let help = said(&["--help"]);
        for below in super::super::command().get_subcommands() {
            let name = below.get_name();
            assert!(
                below.get_about().unwrap().to_string().len() <= 69,
                "{name} takes more than a line"
            );
            let topics = TOPICS
                .iter()
                .filter(|(_, names)| names.contains(&name))
                .count();
            assert!(
                topics == 1 || name == NAME,
                "{name} is listed under {topics} topics"
            );
            assert!(
                name == NAME || help.contains(&format!("\n  {name} ")),
                "{name} is not there:\n{help}"
            );
        }
        for (topic, names) in TOPICS {
            assert!(help.contains(&format!("\n{topic}:\n")), "{help}");
            assert!(
                names
                    .iter()
                    .all(|name| super::super::command().find_subcommand(name).is_some()),
                "{topic}"
            );
        }
    }

    #[test]
    fn help_all_describes_each_setting_and_help_only_names_it() {
        for command in [&[][..], &["serve"], &["config"]] {
            let all = said(&[command, &["--help-all"]].concat());
            for told in [
                "--heartbeat-interval <DURATION>",
                "Allowed: a duration from 100ms to 1h",
                "Default: 25s",
            ] {
                assert!(all.contains(told), "{command:?}: {told}\n{all}");
            }
            for asked in ["--help", "-h"] {
                let help = said(&[command, &[asked]].concat());
                assert!(
                    help.contains("heartbeat-interval") && !help.contains("Allowed:"),
                    "{command:?}\n{help}"
                );
                assert!(help.contains("--help-all"), "{help}");
            }
        }
    }

    #[test]
    fn the_command_help_prints_what_the_flag_prints() {
        assert_eq!(said(&["help"]), said(&["--help"]));
        assert_eq!(
            said(&["help", "publish", "status"]),
            said(&["publish", "status", "--help"])
        );
    }
}
