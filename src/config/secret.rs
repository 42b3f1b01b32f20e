//! Secrets of the configuration: given as a text, or as where they are. Nothing but [`Secret::expose`] shows one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;

/// The longest secret.
const LONGEST: u64 = 64 * 1024;

/// A secret. It is shown by nothing that prints: not in a log, not in an answer, not in a fault.
#[derive(Clone)]
pub struct Secret {
    text: Arc<str>,
    is_unread: bool,
}

impl Secret {
    /// The secret itself, for whoever is about to use it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Whether it stands for one that this user cannot read.
    pub(super) const fn is_unread(&self) -> bool {
        self.is_unread
    }

    /// Stands for one that this user cannot read, where nothing is done with it. A random one, so that nobody could use it.
    pub(super) fn unread() -> Self {
        let bytes: [u8; 32] = rand::random();
        let text = format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(bytes));
        Self { text: text.into(), is_unread: true }
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self { text: text.into(), is_unread: false }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Where a secret stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the configuration file itself.
    Text,
    /// In a file of its own.
    File(PathBuf),
    /// In the environment.
    Variable,
}

/// A secret that was read: which setting, and where it stands.
#[derive(Clone, Debug)]
pub struct Held {
    /// `webhooks.billing.secret`.
    pub key: String,
    /// Where it stands.
    pub place: Place,
    /// Itself: two configurations may differ in nothing else.
    pub secret: Secret,
}

/// Reads a secret that a file holds; the line's end behind it is not part of it.
pub(super) fn from_file(path: &Path) -> Result<Secret, String> {
    use std::io::Read;
    let shown = path.display();
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| format!("the file {shown} cannot be read: {error}"))?;
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(|error| format!("the file {shown} cannot be read: {error}"))?;
    if text.len() as u64 > LONGEST {
        return Err(format!("the file {shown} is longer than {LONGEST} bytes"));
    }
    let text = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    if text.is_empty() { Err(format!("the file {shown} is empty")) } else { Ok(text.to_owned().into()) }
}

/// Reads a secret that a variable holds.
pub(super) fn from_variable(name: &str) -> Result<Secret, String> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => Ok(text.into()),
        Ok(_) => Err(format!("the variable {name} is empty")),
        Err(std::env::VarError::NotPresent) => Err(format!("there is no variable {name}")),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("the variable {name} holds what is no text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_prints_shows_one() {
        let secret = Secret::from("hush".to_owned());
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "… Secret(…) Some(Secret(…))");
        assert_eq!(secret.expose(), "hush");
    }

    #[test]
    fn a_files_last_line_end_is_not_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (text, secret) in [("hush", "hush"), ("hush\n", "hush"), ("hush\r\n", "hush"), ("hush\n\n", "hush\n"), (" hush ", " hush ")] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(from_file(&path).unwrap().expose(), secret, "{text:?}");
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(from_file(&path).unwrap_err().contains("is empty"));
        std::fs::write(&path, "x".repeat(70_000)).unwrap();
        assert!(from_file(&path).unwrap_err().contains("longer"));
        assert!(from_file(&folder.path().join("nowhere")).is_err());
    }
}
