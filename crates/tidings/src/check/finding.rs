//! The findings, and how they are shown: as lines for a person, or as one JSON object for a
//! program.

use std::io::Write;

use serde_json::json;

use crate::terminal::{plain, plain_json};

/// The severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Ok,
    /// Correct for some installations, and worth knowing for all.
    Note,
    /// The server starts, but it is unsafe or does not do what was intended.
    Warning,
    /// The server does not start.
    Error,
}

/// The outcome of one check.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) level: Level,
    pub(super) check: &'static str,
    pub(super) message: String,
    /// What to do about it, where the message does not say so.
    pub(super) advice: Option<String>,
}

/// All findings.
pub(super) struct Report {
    pub(super) findings: Vec<Finding>,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Finding {
    fn new(level: Level, check: &'static str, message: impl Into<String>) -> Self {
        Self {
            level,
            check,
            message: message.into(),
            advice: None,
        }
    }

    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(Level::Ok, check, message)
    }

    pub(super) fn note(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(Level::Note, check, message)
    }

    pub(super) fn warning(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(Level::Warning, check, message)
    }

    pub(super) fn error(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(Level::Error, check, message)
    }

    pub(super) fn advice(self, advice: impl Into<String>) -> Self {
        Self {
            advice: Some(advice.into()),
            ..self
        }
    }
}

impl Report {
    fn count(&self, level: Level) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    }

    /// Returns whether a server would start and, if `strict`, would do so without warnings.
    pub(super) fn is_fine(&self, strict: bool) -> bool {
        self.count(Level::Error) == 0 && !(strict && self.count(Level::Warning) > 0)
    }

    /// Writes the findings for a person.
    pub(super) fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        for Finding {
            level,
            check,
            message,
            advice,
        } in &self.findings
        {
            writeln!(out, "{:<8} {check:<12} {}", level.word(), plain(message))?;
            if let Some(advice) = advice {
                writeln!(out, "{:21} {}", "", plain(advice))?;
            }
        }
        let counted = |level, one, many| match self.count(level) {
            1 => format!("1 {one}"),
            count => format!("{count} {many}"),
        };
        let errors = counted(Level::Error, "error", "errors");
        writeln!(
            out,
            "{errors}, {}",
            counted(Level::Warning, "warning", "warnings")
        )
    }

    /// Writes the findings for a program.
    pub(super) fn print_json(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let findings = self.findings.iter().map(|Finding { level, check, message, advice }| {
            json!({ "level": level.word(), "check": check, "message": message, "advice": advice })
        });
        let findings: Vec<_> = findings.collect();
        let (errors, warnings) = (self.count(Level::Error), self.count(Level::Warning));
        let report = json!({ "starts": errors == 0, "errors": errors, "warnings": warnings, "findings": findings });
        writeln!(out, "{}", plain_json(&report.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_count_as_failures_if_strict() {
        let report = |finding| Report {
            findings: vec![Finding::ok("a", "b"), finding],
        };
        assert!(report(Finding::note("a", "b")).is_fine(true));
        assert!(report(Finding::warning("a", "b")).is_fine(false));
        assert!(!report(Finding::warning("a", "b")).is_fine(true));
        assert!(!report(Finding::error("a", "b")).is_fine(false));
    }

    #[test]
    fn each_finding_is_printed_on_one_line_followed_by_its_advice() {
        let findings = vec![
            Finding::ok("port", "free"),
            Finding::warning("host", "a\nb").advice("move"),
        ];
        let mut out = Vec::new();
        Report { findings }.print(&mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        ok       port         free
        warning  host         a\nb
                              move
        0 errors, 1 warning
        ");
    }
}
