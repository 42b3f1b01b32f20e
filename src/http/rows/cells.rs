//! A value as the cell of a table, and back: lists separated by blanks, objects as JSON, everything else as it is.

use serde_json::Value;

use super::fault;
use crate::domain::error::FieldFault;

/// Fields that are lists.
const LISTS: [&str; 2] = ["scopes", "ips"];

/// Fields that are objects.
const OBJECTS: [&str; 2] = ["limits", "metadata"];

/// Fields that are numbers.
const NUMBERS: [&str; 3] = ["balance", "plan_tokens", "bonus_tokens"];

/// Fields that are true or false.
const FLAGS: [&str; 2] = ["disabled", "verified"];

/// Reads a cell; an empty one says nothing.
pub fn read(field: &str, cell: &str) -> Result<Option<Value>, FieldFault> {
    if cell.is_empty() {
        return Ok(None);
    }
    let is_list = LISTS.contains(&field);
    if OBJECTS.contains(&field) || (is_list && cell.starts_with('[')) {
        return serde_json::from_str(cell).map(Some).map_err(|error| fault(field, format!("is no JSON: {error}")));
    }
    Ok(Some(match cell {
        _ if is_list => cell.split_whitespace().map(Value::from).collect(),
        _ if NUMBERS.contains(&field) => cell.parse::<i64>().map_or_else(|_| cell.into(), Value::from),
        "true" | "TRUE" if FLAGS.contains(&field) => true.into(),
        "false" | "FALSE" if FLAGS.contains(&field) => false.into(),
        text => text.into(),
    }))
}

/// A record as a row of cells, with its end.
pub fn row(fields: &[&str], record: &Value) -> Vec<u8> {
    let cells: Vec<String> = fields.iter().map(|field| quoted(&write(&record[*field]))).collect();
    format!("{}\r\n", cells.join(",")).into_bytes()
}

fn write(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        // An empty list is another thing than a cell that says nothing, and so is a list that could be read as JSON.
        Value::Array(items) if !items.is_empty() && !items[0].as_str().unwrap_or("[").starts_with('[') => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// In quotes where it must be (RFC 4180).
fn quoted(cell: &str) -> String {
    let is_plain = !cell.contains([',', '"', '\r', '\n']) && cell.trim() == cell;
    if is_plain { cell.to_owned() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
}

/// A cell of a table that people open in a spreadsheet: what such a program would take for a formula is told as text, by the apostrophe
/// that stands for that there.
pub fn for_people(text: &str) -> String {
    let is_formula = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) || text.starts_with(['\t', '\r', '\n']);
    if is_formula { quoted(&format!("'{text}")) } else { quoted(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cells_read_back() {
        for (field, value) in [
            ("name", json!("a, \"b\"\nc")),
            ("name", json!("=1+1")),
            ("scopes", json!([])),
            ("scopes", json!(["sets:read", "sets:write"])),
            ("scopes", json!(["[x", "y"])),
            ("ips", json!(["10.0.0.0/8"])),
            ("limits", json!({})),
            ("metadata", json!({"a": [1, "é\n"], "b": null})),
            ("disabled", json!(true)),
            ("balance", json!(-5)),
        ] {
            assert_eq!(read(field, &write(&value)), Ok(Some(value)), "{field}");
        }
        assert_eq!(read("plan", &write(&Value::Null)), Ok(None));
        assert!(read("limits", "minute=5").is_err());
    }

    #[test]
    fn a_spreadsheet_finds_no_formula() {
        for (text, told) in [
            ("server", "server"),
            ("=1+1", "'=1+1"),
            ("  @SUM(A1)", "'  @SUM(A1)"),
            ("-2+3,\"x\"", "\"'-2+3,\"\"x\"\"\""),
            ("\t=1", "'\t=1"),
            ("＝1", "'＝1"),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(for_people(text), told);
        }
    }
}
