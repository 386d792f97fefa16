//! The settings on the command line.
//!
//! clap only collects texts here. They are parsed together with all other layers, so that a bad
//! value causes the same error wherever it was written.

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use tidings_server::config::{Error, Flags, table};
use tidings_settings::path::DIRECTORY;
use tidings_settings::rule::Shape;
use tidings_settings::setting::Setting;

const FILE: &str = "config";

/// Adds a flag for each setting, and `--config FILE`, to one command; its subcommands do not get
/// them.
///
/// The short help (`-h`) omits the settings, because there are more of them than fit on a screen;
/// the long help contains all.
pub(crate) fn flags(command: Command) -> Command {
    let file = Arg::new(FILE)
        .long(FILE)
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .value_hint(ValueHint::FilePath)
        .help("Read this file instead of tidings.toml");
    command.arg(file).args(table().iter().map(argument))
}

/// Returns the settings from the command line of a command to which [`flags`] was applied.
pub(crate) fn flags_from(matches: &ArgMatches) -> Flags {
    let texts = |setting: &Setting| {
        let texts: Vec<String> = matches.get_many(setting.key)?.cloned().collect();
        Some((setting.key.to_owned(), texts.join(",")))
    };
    Flags {
        file: matches.get_one::<PathBuf>(FILE).cloned(),
        settings: table().iter().filter_map(texts).collect(),
    }
}

/// Returns clap's error about the command line as an error of one line, or `None` if it is not an
/// error but the answer to `--help` or `--version`.
pub(crate) fn refused_arguments(error: &clap::Error) -> Option<Error> {
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(name)) => Some(name.clone()),
        Some(ContextValue::Strings(names)) => names.first().cloned(),
        _ => None,
    };
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => None,
        ErrorKind::UnknownArgument => {
            let flag = named(ContextKind::InvalidArg).unwrap_or_default();
            let hint = named(ContextKind::SuggestedArg).map_or_else(
                || "`tidings --help` lists all flags".to_owned(),
                |known| format!("did you mean {known}?"),
            );
            Some(Error::Arguments(format!(
                "{flag} (command line) is no flag; {hint}"
            )))
        }
        _ => {
            let rendered = error.to_string();
            let first = rendered
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            let allowed = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(words)) if !words.is_empty() => {
                    format!("; allowed is {}", words.join(" or "))
                }
                _ => String::new(),
            };
            Some(Error::Arguments(format!("{first}{allowed}")))
        }
    }
}

fn argument(setting: &Setting) -> Arg {
    let about = setting.about();
    let first = about
        .split_once(". ")
        .map_or(about.as_str(), |(first, _)| first);
    let argument = Arg::new(setting.key)
        .long(setting.flag())
        .value_name(setting.placeholder)
        .help(first.trim_end_matches('.').to_owned())
        .long_help(format!(
            "{about}\n\nAllowed: {}\nDefault: {}\nEnvironment: {}",
            setting.allowed,
            setting.preset.plain_text(),
            setting.variable()
        ))
        .hide_short_help(true)
        .value_hint(if setting.placeholder == DIRECTORY {
            ValueHint::DirPath
        } else {
            ValueHint::Unknown
        })
        .help_heading(setting.section);
    match setting.shape {
        Shape::Single => argument.overrides_with(setting.key),
        Shape::List => argument.action(ArgAction::Append),
        Shape::Switch => argument
            .overrides_with(setting.key)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Flags, String> {
        flags(Command::new("tidings"))
            .try_get_matches_from([&["tidings"], arguments].concat())
            .map(|matches| flags_from(&matches))
            .map_err(|error| refused_arguments(&error).unwrap().to_string())
    }

    fn refused(arguments: &[&str]) -> String {
        parse(arguments).err().unwrap()
    }

    fn settings(arguments: &[&str]) -> Vec<(String, String)> {
        parse(arguments).unwrap().settings
    }

    fn pair(key: &str, text: &str) -> (String, String) {
        (key.to_owned(), text.to_owned())
    }

    #[test]
    fn clap_finds_no_fault_with_the_table() {
        flags(Command::new("tidings")).debug_assert();
    }

    #[test]
    fn a_switch_may_be_given_without_a_value() {
        assert_eq!(
            settings(&["--open-publish"]),
            [pair("open_publish", "true")]
        );
        assert_eq!(
            settings(&["--open-publish=false"]),
            [pair("open_publish", "false")]
        );
        assert_eq!(settings(&[]), []);
    }

    #[test]
    fn repeated_lists_are_joined_and_of_other_repeated_settings_the_last_counts() {
        assert_eq!(
            settings(&[
                "--cors-origin",
                "a,b",
                "--cors-origin=c",
                "--port=1",
                "--port",
                "2"
            ]),
            [pair("port", "2"), pair("cors_origin", "a,b,c")]
        );
    }

    #[test]
    fn the_file_is_not_one_of_the_settings() {
        assert_eq!(
            parse(&["--config", "/etc/tidings.toml"])
                .unwrap()
                .file
                .as_deref(),
            Some(std::path::Path::new("/etc/tidings.toml"))
        );
    }

    #[test]
    fn an_invalid_argument_is_refused_in_one_line() {
        insta::assert_snapshot!(refused(&["--prot=4000"]), @"--prot (command line) is no flag; did you mean --port?");
        insta::assert_snapshot!(refused(&["--colour", "red"]), @"--colour (command line) is no flag; `tidings --help` lists all flags");
        insta::assert_snapshot!(refused(&["--port"]), @"a value is required for '--port <NUMBER>' but none was supplied");
    }

    #[test]
    fn help_is_not_an_error() {
        let help = flags(Command::new("tidings"))
            .try_get_matches_from(["tidings", "--help"])
            .unwrap_err();
        assert!(refused_arguments(&help).is_none());
        let text = help.to_string();
        assert!(text.contains("--heartbeat-interval <DURATION>"), "{text}");
        assert!(
            text.contains("Allowed: a duration from 100ms to 1h"),
            "{text}"
        );
        assert!(text.contains("Default: 25s"), "{text}");
    }
}
