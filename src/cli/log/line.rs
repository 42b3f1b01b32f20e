//! One line of the log. Whatever stands in it, it stays one line, and nothing in it is acted upon by a terminal.

use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::domain::time::Timestamp;
use crate::http::faults::{Fault, LATEST};
use crate::http::note;

/// Whether lines are for programs.
pub static IS_JSON: AtomicBool = AtomicBool::new(false);

/// What every line about a request carries.
const REQUEST_ID: &str = "request_id";

/// Writes lines.
pub struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Line { time: Timestamp::now(), level: *event.metadata().level(), message: String::new(), fields: Map::new() };
        note::request_id(|id| line.put(REQUEST_ID, id.into()));
        event.record(&mut line);
        line.keep_fault();
        if IS_JSON.load(Ordering::Relaxed) { line.write_json(writer) } else { line.write_text(writer) }
    }
}

struct Line {
    time: Timestamp,
    level: Level,
    message: String,
    fields: Map<String, Value>,
}

impl Line {
    fn put(&mut self, name: &str, value: Value) {
        match (name, value) {
            // The first is what the line says; a field of that name is one as any other.
            ("message", Value::String(text)) if self.message.is_empty() => self.message = text,
            ("message", value) => drop(self.fields.insert("message_field".to_owned(), value)),
            (name, value) => drop(self.fields.insert(name.to_owned(), value)),
        }
    }

    /// `{"time": …, "level": …, "message": …}`, then the fields, flat.
    fn write_json(self, mut writer: Writer<'_>) -> fmt::Result {
        let level = self.level.as_str().to_ascii_lowercase();
        let mut whole = Map::from_iter([
            ("time".to_owned(), self.time.rfc3339_millis().into()),
            ("level".to_owned(), level.into()),
            ("message".to_owned(), self.message.into()),
        ]);
        // What a line is told by is never a field's to say.
        for (name, value) in self.fields {
            whole.entry(name).or_insert(value);
        }
        for letter in Value::Object(whole).to_string().chars() {
            // Inside of a string, where alone such a letter can stand.
            if is_unsafe(letter) { write!(writer, "\\u{:04x}", u32::from(letter))? } else { writer.write_char(letter)? }
        }
        writeln!(writer)
    }

    /// `2026-04-01T00:00:00.123Z  INFO message name=value`.
    fn write_text(self, mut writer: Writer<'_>) -> fmt::Result {
        let (time, level) = (self.time.rfc3339_millis(), self.level.as_str());
        if writer.has_ansi_escapes() {
            let colour = match self.level {
                Level::ERROR => 31,
                Level::WARN => 33,
                Level::INFO => 32,
                _ => 34,
            };
            write!(writer, "\u{1b}[2m{time}\u{1b}[0m \u{1b}[{colour}m{level:>5}\u{1b}[0m ")?;
        } else {
            write!(writer, "{time} {level:>5} ")?;
        }
        self.write_said(&mut writer, |_| true)?;
        writeln!(writer)
    }

    /// The message and those fields that are wanted, on one line.
    fn write_said(&self, writer: &mut impl fmt::Write, is_wanted: impl Fn(&str) -> bool) -> fmt::Result {
        for letter in self.message.chars() {
            if is_unsafe(letter) { write!(writer, "{}", letter.escape_default())? } else { writer.write_char(letter)? }
        }
        for (name, value) in self.fields.iter().filter(|(name, _)| is_wanted(name)) {
            match value {
                Value::String(text) if is_plain(text) => write!(writer, " {name}={text}")?,
                Value::String(text) => write!(writer, " {name}={text:?}")?,
                value => write!(writer, " {name}={value}")?,
            }
        }
        Ok(())
    }

    /// A warning or an error can be looked at later, too.
    fn keep_fault(&self) {
        if self.level > Level::WARN {
            return;
        }
        let mut text = String::new();
        // Writing into a text cannot fail.
        let _ = self.write_said(&mut text, |name| name != REQUEST_ID);
        let request_id = self.fields.get(REQUEST_ID).and_then(Value::as_str).map(str::to_owned);
        LATEST.keep(Fault { at: self.time, is_error: self.level == Level::ERROR, text, request_id });
    }
}

impl Visit for Line {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field.name(), format!("{value:?}").into());
    }
}

/// What ends a line, moves a cursor, or turns the direction of what follows.
fn is_unsafe(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A value that can be told from what stands around it.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'=\\".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str, field: &str) -> Line {
        let fields = Map::from_iter([("path".to_owned(), field.into())]);
        Line { time: Timestamp::from_millis(0), level: Level::WARN, message: message.into(), fields }
    }

    fn text(message: &str, field: &str) -> String {
        let mut written = String::new();
        line(message, field).write_text(Writer::new(&mut written)).unwrap();
        written
    }

    fn json(message: &str, field: &str) -> String {
        let mut written = String::new();
        line(message, field).write_json(Writer::new(&mut written)).unwrap();
        written
    }

    #[test]
    fn a_line_reads_as_it_should() {
        assert_eq!(text("it went wrong", "/v1/sets"), "1970-01-01T00:00:00.000Z  WARN it went wrong path=/v1/sets\n");
        let told: Value = serde_json::from_str(&json("it went wrong", "/v1/sets")).unwrap();
        assert_eq!(
            told,
            serde_json::json!({"time": "1970-01-01T00:00:00.000Z", "level": "warn", "message": "it went wrong", "path": "/v1/sets"})
        );
    }

    #[test]
    fn no_value_breaks_a_line_or_forges_another_field() {
        for wicked in ["a\nb", "a\r\nb", "\u{1b}[2K", "\u{9b}2K", "\u{7f}", "a\u{2028}b", "\u{202e}gnp", "\0", "\u{85}"] {
            for written in [text(wicked, wicked), json(wicked, wicked)] {
                let (line, end) = written.split_at(written.len() - 1);
                assert!(end == "\n" && !line.chars().any(is_unsafe), "{written:?}");
            }
            let told: Value = serde_json::from_str(&json(wicked, wicked)).unwrap();
            assert_eq!((&told["message"], &told["path"]), (&wicked.into(), &wicked.into()));
        }
        assert!(text("m", "/x status=200").ends_with(" path=\"/x status=200\"\n"));
        assert!(text("m", "\" status=\"200").ends_with(" path=\"\\\" status=\\\"200\"\n"));
    }

    #[test]
    fn a_field_never_takes_the_place_of_what_a_line_is_told_by() {
        let mut line = line("the message", "/");
        line.put("level", "error".into());
        line.put("message", "another".into());
        let mut written = String::new();
        line.write_json(Writer::new(&mut written)).unwrap();
        let told: Value = serde_json::from_str(&written).unwrap();
        assert_eq!((&told["level"], &told["message"], &told["message_field"]), (&"warn".into(), &"the message".into(), &"another".into()));
    }
}
