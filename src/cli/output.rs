//! What commands print: tables for people, one JSON document for programs.

use std::io::{IsTerminal, Write};

use comfy_table::{Cell, ContentArrangement, Table};
use serde_json::{Value, json};

use super::Failure;
use crate::config::Fault;

/// How wide a table is where no terminal says.
const USUAL_WIDTH: u16 = 160;

/// Where a command's result goes.
pub struct Output {
    json: bool,
}

impl Output {
    /// For people, or as JSON.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether it is for programs.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a result: as JSON, or as what people read.
    pub fn result(&self, value: &Value, for_people: impl FnOnce() -> String) {
        self.print(&if self.json { pretty(value) } else { for_people() });
    }

    /// Prints a document that is JSON whoever reads it.
    pub fn document(&self, value: &Value) {
        self.print(&pretty(value));
    }

    /// Prints a text on stdout.
    pub fn print(&self, text: &str) {
        // Whoever closed the pipe has read enough.
        let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    }

    /// Tells the faults of a configuration.
    pub fn faults(&self, faults: &[Fault]) -> Failure {
        for fault in faults {
            eprintln!("{} {}", red("config:"), clean(&fault.to_string()));
        }
        let count = faults.len();
        eprintln!("{count} {} in the configuration; nothing was started.", if count == 1 { "fault" } else { "faults" });
        if self.json {
            self.print(&pretty(&json!({ "valid": false, "faults": faults })));
        }
        Failure::Config
    }

    /// Tells a failure; answers the exit code.
    pub fn failure(&self, failure: &Failure) -> u8 {
        let (code, text, document) = match failure {
            Failure::Config => return 2,
            Failure::No => return 1,
            Failure::Use(text) => (2, text.clone(), json!({ "detail": text })),
            Failure::Failed(text) => (1, text.clone(), json!({ "detail": text })),
            Failure::Refused(status, problem) => (if *status == 400 { 2 } else { 1 }, told(problem), problem.clone()),
        };
        eprintln!("{} {}", red("error:"), clean(&text));
        if self.json {
            self.print(&pretty(&json!({ "error": document })));
        }
        code
    }
}

fn told(problem: &Value) -> String {
    let detail = problem["detail"].as_str().unwrap_or("it was refused");
    match problem["errors"].as_array() {
        // Rows of an import are wrong, each by its line.
        Some(errors) if errors.iter().any(|error| error["line"].is_u64()) => {
            let lines = errors.iter().map(|error| format!("\n  line {}: {}", error["line"], fault(error)));
            format!("{detail}{}", lines.collect::<String>())
        }
        Some(errors) if errors.len() > 1 => errors.iter().map(|error| format!("\n  {}", fault(error))).collect(),
        _ => detail.to_owned(),
    }
}

fn fault(error: &Value) -> String {
    let told = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    let field = told("field");
    if field.is_empty() { told("message") } else { format!("{field}: {}", told("message")) }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

fn red(text: &str) -> String {
    if std::io::stderr().is_terminal() { format!("\u{1b}[31m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// A list as a table; the columns are (title, field).
pub fn table(list: &Value, columns: &[(&str, &str)], nothing: &str) -> String {
    let rows = list["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return nothing.to_owned();
    }
    let mut table = plain();
    table.set_header(columns.iter().map(|(title, _)| *title));
    for row in rows {
        table.add_row(columns.iter().map(|(_, field)| Cell::new(cell(&row[*field]))));
    }
    table.to_string()
}

/// Rows under their titles; from column `first_number` on they are numbers.
pub fn rows(titles: &[String], rows: &[Vec<String>], first_number: usize) -> String {
    let mut table = plain();
    table.set_header(titles);
    for row in rows {
        table.add_row(row.iter().map(|cell| clean(cell)));
    }
    table.column_iter_mut().skip(first_number).for_each(|column| column.set_cell_alignment(comfy_table::CellAlignment::Right));
    table.to_string()
}

/// One record, a line each field.
pub fn record(value: &Value) -> String {
    let mut table = plain();
    for (name, value) in value.as_object().into_iter().flatten() {
        table.add_row([name.replace('_', " "), cell(value)]);
    }
    table.to_string()
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_width(USUAL_WIDTH);
    table
}

/// A value as people read it. Control characters of a name must not reach a terminal.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        Value::Bool(flag) => if *flag { "yes" } else { "no" }.into(),
        Value::Array(items) if items.is_empty() => "-".into(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(map) if map.is_empty() => "-".into(),
        Value::Object(map) => map.iter().map(|(name, value)| format!("{name}={}", cell(value))).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    clean(&text).replace('\n', "\u{fffd}")
}

/// Characters that turn the direction of what follows, and so can make a line read as another.
fn is_directional(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text without what a terminal would act on; the breaks between our own lines stay.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if (c.is_control() && c != '\n') || is_directional(c) { '\u{fffd}' } else { c }).collect()
}
