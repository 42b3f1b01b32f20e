//! `[mail] templates`: a folder whose files replace the built-in letters.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::reader::Table;
use crate::style::letters::Letters;

/// How large a template may be, and how many files the folder may hold.
const LARGEST: u64 = 256 * 1024;
const MOST: usize = 100;

/// Reads and compiles them; each fault is told with the file and the line.
pub(super) fn read(table: &Table<'_>) -> Option<Arc<Letters>> {
    let folder = table.text("templates")?;
    let own = if folder.is_empty() { Ok(BTreeMap::new()) } else { files(Path::new(&folder)) };
    let own = own.map_err(|fault| table.fault("templates", fault)).ok()?;
    match Letters::new(own) {
        Ok(letters) => Some(Arc::new(letters)),
        Err(faults) => {
            for (file, fault) in faults {
                table.fault("templates", format!("{}: {fault}", Path::new(&folder).join(file).display()));
            }
            None
        }
    }
}

/// The files of a folder, by their names; hidden ones, and what editors leave behind, are none of its templates.
fn files(folder: &Path) -> Result<BTreeMap<String, String>, String> {
    let unread = |path: &Path, error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|error| unread(folder, error))? {
        let path = entry.map_err(|error| unread(folder, error))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let metadata = std::fs::metadata(&path).map_err(|error| unread(&path, error))?;
        if !metadata.is_file() || metadata.len() > LARGEST || files.len() == MOST {
            return Err(format!("{}: must be one of up to {MOST} files of at most {LARGEST} bytes", path.display()));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| unread(&path, error))?;
        files.insert(name, text.replace("\r\n", "\n"));
    }
    Ok(files)
}
