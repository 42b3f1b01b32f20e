//! The secret of sign-in, which lies beside a database: it goes along with a copy, and comes back with it.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use super::landing::Landing;
use crate::store::side::{SECRET, beside};

/// Larger than any secret.
const MOST: u64 = 4096;

/// What becomes of a secret beside a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was taken along.
    Yes,
    /// There is none to be taken.
    None,
    /// It is there already.
    Same,
    /// Another one is there.
    Other,
    /// There is none to be taken, and one is there.
    Alone,
}

/// What would come of taking the secret of `from` along to `to`.
pub fn compare(from: &Path, to: &Path) -> Result<Taken, String> {
    Ok(match (read(from)?, read(to)?) {
        (Some(secret), Some(there)) if secret == there => Taken::Same,
        (Some(_), Some(_)) => Taken::Other,
        (None, Some(_)) => Taken::Alone,
        (Some(_), None) => Taken::Yes,
        (None, None) => Taken::None,
    })
}

/// Takes the secret of `from` along to `to`, for its owner alone; one that is there stays, unless it is to be replaced.
pub fn take_along(from: &Path, to: &Path, replaces: bool) -> Result<Taken, String> {
    match compare(from, to)? {
        Taken::Other if replaces => {}
        Taken::Yes => {}
        other => return Ok(other),
    }
    let Some(secret) = read(from)? else { return Ok(Taken::None) };
    let path = beside(to, SECRET);
    let told = |reason: String| format!("{}: {reason}", path.display());
    let landing = Landing::begin(&path).map_err(told)?;
    landing.file().write_all(&secret).map_err(|error| told(error.to_string()))?;
    landing.land(replaces).map_err(told)?;
    Ok(Taken::Yes)
}

/// The secret beside a file, where there is one.
fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let path = beside(path, SECRET);
    let told = |reason: String| format!("{} cannot be read: {reason}", path.display());
    match path.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(told(error.to_string())),
        Ok(metadata) if !metadata.is_file() => return Err(told("it is not a file".into())),
        Ok(_) => {}
    }
    let mut secret = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(MOST + 1).read_to_end(&mut secret));
    read.map_err(|error| told(error.to_string()))?;
    if secret.len() as u64 > MOST { Err(told("it is no secret of tollgate's".into())) } else { Ok(Some(secret)) }
}
