//! The findings, and how they are shown: as lines for a person, or as one JSON object for a
//! program.
//!
//! Much of a finding is text from the server or from a proxy. It is made safe for a terminal here
//! and nowhere else.

use std::io::Write;

use serde_json::json;

use crate::proxies::{Proxy, Trouble, fix};
use crate::terminal::{plain, plain_json};

/// The severity. `Skipped` means that the check was not possible; the message says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Ok,
    Skipped,
    Warning,
    Problem,
}

/// The outcome of one check.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) level: Level,
    /// The sentence for a person, with the measured value.
    pub(super) message: String,
    /// The measured value for programs, and its unit.
    pub(super) value: Option<(f64, &'static str)>,
    /// What the finding means, and how to fix it.
    remedy: Option<Remedy>,
}

#[derive(Debug)]
enum Remedy {
    /// A proxy is the cause: the explanation and the fix are those of the trouble.
    Proxy(Trouble),
    /// No proxy is the cause: this text explains the finding.
    Elsewhere(&'static str),
}

/// All findings for one address.
pub(super) struct Report {
    pub(super) url: String,
    pub(super) findings: Vec<Finding>,
    /// The proxy for which advice is given.
    pub(super) proxy: Proxy,
    /// Whether that proxy was named by the caller or recognised, rather than assumed.
    pub(super) known: bool,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

impl Finding {
    pub(super) fn new(check: &'static str, level: Level, message: impl Into<String>) -> Self {
        Self {
            check,
            level,
            message: message.into(),
            value: None,
            remedy: None,
        }
    }

    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, message)
    }

    pub(super) fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self::new(check, Level::Skipped, why)
    }

    /// Returns a finding about a proxy, with its fix.
    pub(super) fn trouble(trouble: Trouble, level: Level, message: impl Into<String>) -> Self {
        Self {
            remedy: Some(Remedy::Proxy(trouble)),
            ..Self::new(trouble.check(), level, message)
        }
    }

    pub(super) fn measured(self, value: f64, unit: &'static str) -> Self {
        Self {
            value: Some((value, unit)),
            ..self
        }
    }

    /// Adds an explanation to a finding that no proxy caused.
    pub(super) fn meaning(self, meaning: &'static str) -> Self {
        Self {
            remedy: Some(Remedy::Elsewhere(meaning)),
            ..self
        }
    }

    fn explained(&self) -> Option<&'static str> {
        self.remedy.as_ref().map(|remedy| match remedy {
            Remedy::Proxy(trouble) => trouble.meaning(),
            Remedy::Elsewhere(meaning) => meaning,
        })
    }

    fn trouble_of(&self) -> Option<Trouble> {
        match self.remedy {
            Some(Remedy::Proxy(trouble)) if self.level >= Level::Warning => Some(trouble),
            _ => None,
        }
    }
}

impl Report {
    pub(super) fn has_problems(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.level == Level::Problem)
    }

    /// Writes the findings for a person.
    pub(super) fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        for finding in &self.findings {
            writeln!(
                out,
                "{:<8} {:<14} {}",
                finding.level.word(),
                finding.check,
                plain(&finding.message)
            )?;
            if let Some(meaning) = finding
                .explained()
                .filter(|_| finding.level >= Level::Warning)
            {
                writeln!(out, "  {meaning}")?;
            }
            if let Some(trouble) = finding.trouble_of() {
                writeln!(out, "  {}:", self.proxy.name())?;
                for line in fix(trouble, self.proxy).lines() {
                    writeln!(out, "    {line}")?;
                }
            }
        }
        if !self.known
            && self
                .findings
                .iter()
                .any(|finding| finding.trouble_of().is_some())
        {
            let others: Vec<_> = Proxy::ALL
                .iter()
                .filter(|proxy| **proxy != self.proxy)
                .map(|p| p.id())
                .collect();
            writeln!(
                out,
                "the proxy could not be recognised; for the lines of another, use --proxy {}",
                others.join("|")
            )?;
        }
        Ok(())
    }

    /// Writes the findings for a program.
    pub(super) fn print_json(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let findings = self.findings.iter().map(|finding| {
            let (value, unit) = finding.value.unzip();
            json!({
                "check": finding.check,
                "level": finding.level.word(),
                "message": finding.message,
                "value": value,
                "unit": unit,
                "meaning": finding.explained().filter(|_| finding.level >= Level::Warning),
                "mend": finding.trouble_of().map(|trouble| fix(trouble, self.proxy)),
            })
        });
        let findings: Vec<_> = findings.collect();
        let report = json!({
            "url": self.url,
            "healthy": !self.has_problems(),
            "proxy": self.proxy.id(),
            "proxyRecognised": self.known,
            "findings": findings,
        });
        writeln!(out, "{}", plain_json(&report.to_string()))
    }
}
