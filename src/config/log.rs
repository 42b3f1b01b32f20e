//! `[log]`.

use super::reader::Table;

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Format {
    fn named(name: &str) -> Option<Self> {
        match name {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// What is logged, and how; the level is `TOLLGATE_LOG`'s.
#[derive(Clone, Copy, Debug)]
pub struct LogSettings {
    /// How.
    pub format: Format,
    /// A line for each request.
    pub requests: bool,
}

pub(super) fn read(table: Table<'_>) -> Option<LogSettings> {
    let (format, requests) = (table.word("format", "text or json", Format::named), table.flag("requests"));
    table.finish();
    Some(LogSettings { format: format?, requests: requests? })
}
