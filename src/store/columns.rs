//! Rust values as columns. What stands in a row and cannot be read is a damaged row, not an empty value.

use rusqlite::Row;
use rusqlite::types::Type;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::delivery::MessageState;
use crate::domain::time::Timestamp;

/// JSON text.
pub fn json<T: Serialize + ?Sized>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// Reads JSON text.
pub fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| damaged(row, column, Box::new(error)))
}

/// What `LIKE … ESCAPE '\\'` takes for a text that holds this, whatever the case of its ASCII letters: quicker than `instr` and `lower`.
pub fn holding(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

/// Reads an instant.
pub fn instant(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

/// Reads an instant that may be missing.
pub fn maybe_instant(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column).map(|millis| millis.map(Timestamp::from_millis))
}

/// Reads a word that must be one of ours.
pub fn word<T>(row: &Row<'_>, column: &str, read: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    read(&text).ok_or_else(|| damaged(row, column, format!("'{text}' is unknown").into()))
}

/// The clause for those that are on their way like this.
pub const fn on_its_way(state: Option<MessageState>) -> &'static str {
    match state {
        None => "",
        Some(MessageState::Waiting) => "AND due_at IS NOT NULL",
        Some(MessageState::Taken) => "AND due_at IS NULL AND taken_at IS NOT NULL",
        Some(MessageState::GivenUp) => "AND due_at IS NULL AND taken_at IS NULL",
    }
}

fn damaged(row: &Row<'_>, column: &str, error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or_default();
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_as_it_stands() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let holds = |text: &str, part: &str| -> bool {
            connection.query_row("SELECT ?1 LIKE ?2 ESCAPE '\\'", [text, &holding(part)], |row| row.get(0)).unwrap()
        };
        for (text, part) in
            [("Ada Lovelace", "LOVE"), ("50% off", "0%"), ("a_b", "_"), ("a\\b", "\\"), ("Ünal", "nal"), ("x", ""), ("%_\\", "%_\\")]
        {
            assert!(holds(text, part), "{text} {part}");
        }
        for (text, part) in [("50 off", "0%"), ("ab", "_"), ("ab", "a%b"), ("a%", "a\\%"), ("Ada", "Adam")] {
            assert!(!holds(text, part), "{text} {part}");
        }
    }
}
