//! The third-party client programs that the tests run: installs them into `<target>/clients`.
//!
//! Owns that folder. Must never write into `clients/` itself, and never install anything that the
//! lock files do not pin. A stamp in each installation contains the lock files from which it was
//! made, so a second run does nothing.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use anyhow::{Context as _, Result};

use crate::node::Node;
use crate::requirements::Requirement;
use crate::{chromium, go, image, jvm, process, python, requirements};

/// The paths of the programs, for the tests.
pub(crate) struct Clients {
    /// Node, which runs the programs of `clients/node`.
    pub(crate) node: Node,
    /// The folder with these programs and the modules that they import. Node looks for a module
    /// relative to the file that imports it, so the programs are copied into this folder.
    programs: PathBuf,
    /// The Python interpreter with the libraries that `clients/python/*.py` import.
    python: PathBuf,
    /// The browser.
    pub(crate) chromium: OsString,
    /// The folder for building the image; `None` if this machine can't build it.
    image: Option<PathBuf>,
    /// The program of `clients/go`; `None` if it was left out.
    go: Option<PathBuf>,
    /// The folder with the programs of `clients/jvm`; `None` if they were left out.
    jvm: Option<PathBuf>,
    /// What was left out, and why.
    pub(crate) left_out: Vec<String>,
}

impl Clients {
    /// Sets the variables by which a command, and the tests that it runs, find the programs.
    pub(crate) fn announce<'command>(
        &self,
        command: &'command mut Command,
    ) -> Result<&'command mut Command> {
        let command = self.node.announce(command)?;
        if let Some(image) = &self.image {
            command.env(image::VARIABLE, image);
        }
        command
            .env("TIDINGS_NODE_CLIENTS", &self.programs)
            .env("TIDINGS_PYTHON", &self.python)
            .env(
                "TIDINGS_NATS_SERVER",
                self.python.with_file_name("nats-server"),
            )
            .env(chromium::VARIABLE, &self.chromium);
        let languages = [
            ("go", "TIDINGS_GO_CLIENTS", &self.go),
            ("jvm", "TIDINGS_JVM_CLIENTS", &self.jvm),
        ];
        let mut left_out = Vec::new();
        for (language, variable, place) in languages {
            match place {
                Some(place) => {
                    command.env(variable, place);
                }
                None => left_out.push(language),
            }
        }
        Ok(command.env("TIDINGS_LEFT_OUT", left_out.join(",")))
    }

    /// Returns further arguments for the tests: they select the tests that need programs, except
    /// those that can't run here.
    pub(crate) fn arguments(&self) -> Vec<&'static str> {
        let mut arguments = vec!["--include-ignored"];
        if self.image.is_none() {
            arguments.extend(["--skip", image::TESTS]);
        }
        arguments
    }
}

/// Installs what is missing, or was made from other lock files.
pub(crate) fn provision() -> Result<Clients> {
    let python = python()?;
    let node = crate::node::provision()?;
    let image = match image::possible() {
        Ok(()) => Some(image::provision()?),
        Err(why) => {
            eprintln!("The image is NOT tested: {why:#}.");
            None
        }
    };
    let mut left_out = Vec::new();
    let mut there = |what: &str, wishes: &[Requirement]| -> Result<bool> {
        let lacking = requirements::wish(wishes)?;
        left_out.extend(lacking.iter().map(|why| format!("{what} ({why})")));
        Ok(lacking.is_none())
    };
    let go = there("the client libraries in Go", &requirements::GO)?
        .then(go::provision)
        .transpose()?;
    let jvm = there("the client libraries on the JVM", &requirements::JVM)?
        .then(jvm::provision)
        .transpose()?;
    Ok(Clients {
        programs: programs(&node)?,
        node,
        python,
        chromium: chromium::find()?,
        image,
        go,
        jvm,
        left_out,
    })
}

fn programs(node: &Node) -> Result<PathBuf> {
    const LOCKS: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];
    let sources = process::root()?.join("clients").join("node");
    let installed = process::target()?.join("clients").join("node");
    fs::create_dir_all(&installed)?;
    for entry in fs::read_dir(&sources)? {
        let program = entry?.path();
        if let (Some("mjs" | "html"), Some(name)) = (
            program.extension().and_then(OsStr::to_str),
            program.file_name(),
        ) {
            fs::copy(&program, installed.join(name))?;
        }
    }

    let mut stamp = Stamp::new(&installed);
    for name in LOCKS {
        stamp.add(&read(&sources.join(name))?);
    }
    if !stamp.is_current() {
        for name in LOCKS {
            fs::copy(sources.join(name), installed.join(name))?;
        }
        process::run(&mut node.npm(&installed, &["ci"])?)?;
        stamp.write()?;
    }
    Ok(installed)
}

/// Returns the tests' Python interpreter, with its packages.
pub(crate) fn python() -> Result<PathBuf> {
    let system = python::find()?;
    let requirements = process::root()?
        .join("clients")
        .join("python")
        .join("requirements.txt");
    let installed = process::target()?.join("clients").join("python");
    let interpreter = installed.join("bin").join("python");

    let mut stamp = Stamp::new(&installed);
    stamp.add(&read(&requirements)?);
    stamp.add(&process::ask(Command::new(system).arg("--version"))?);
    // A virtual environment only links to the interpreter with which it was made, and that may have
    // been removed since.
    let works = process::ask(Command::new(&interpreter).arg("--version")).is_ok();
    if !(works && stamp.is_current()) {
        match fs::remove_dir_all(&installed) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        process::run(Command::new(system).args(["-m", "venv"]).arg(&installed))?;
        process::run(
            Command::new(&interpreter)
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--no-input",
                    "--disable-pip-version-check",
                    "--requirement",
                ])
                .arg(&requirements),
        )?;
        stamp.write()?;
    }
    Ok(interpreter)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} can't be read", path.display()))
}

/// A record of the files from which an installation was made. It is kept in the installation.
pub(crate) struct Stamp {
    path: PathBuf,
    content: String,
}

impl Stamp {
    pub(crate) fn new(installed: &Path) -> Self {
        Self {
            path: installed.join("made-from"),
            content: String::new(),
        }
    }

    pub(crate) fn add(&mut self, source: &str) {
        self.content.push_str(source);
        self.content.push('\n');
    }

    /// Adds every file of a folder, with its name.
    pub(crate) fn add_files(&mut self, folder: &Path) -> Result<()> {
        let mut entries = fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>>>()?;
        entries.sort();
        for path in entries {
            if path.is_dir() {
                self.add_files(&path)?;
            } else {
                self.add(&path.to_string_lossy());
                self.add(&read(&path)?);
            }
        }
        Ok(())
    }

    pub(crate) fn is_current(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|made_from| made_from == self.content)
    }

    /// Writes the record. It must be called last: then an interrupted installation has no record,
    /// or an old one.
    pub(crate) fn write(&self) -> io::Result<()> {
        fs::write(&self.path, &self.content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_current_until_a_source_changes_or_moves() {
        let (installed, sources) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let stamp = || {
            let mut stamp = Stamp::new(installed.path());
            stamp.add_files(sources.path()).unwrap();
            stamp
        };
        fs::create_dir(sources.path().join("src")).unwrap();
        fs::write(sources.path().join("src/a"), "1").unwrap();
        stamp().write().unwrap();
        assert!(stamp().is_current());
        fs::write(sources.path().join("src/a"), "2").unwrap();
        assert!(!stamp().is_current());
        fs::write(sources.path().join("src/a"), "1").unwrap();
        fs::rename(sources.path().join("src/a"), sources.path().join("src/b")).unwrap();
        assert!(!stamp().is_current());
    }

    #[test]
    fn an_installation_is_current_until_a_lock_file_changes() {
        let installed = tempfile::tempdir().unwrap();
        let stamp_of = |lock: &str| {
            let mut stamp = Stamp::new(installed.path());
            stamp.add(lock);
            stamp
        };
        assert!(!stamp_of("a==1").is_current(), "nothing is installed yet");
        stamp_of("a==1").write().unwrap();
        assert!(stamp_of("a==1").is_current());
        assert!(!stamp_of("a==2").is_current());
    }
}
