//! Reads rows one by one from bytes that come bit by bit; each row and its line, also where it is wrong.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result};
use std::rc::Rc;

use serde_json::Map;

use super::{Format, MOST, Row, cells, fault};
use crate::domain::error::FieldFault;
use crate::domain::nearest::hint;

/// What some programs put before the first letter.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The rows of a body.
pub enum Rows<R: Read> {
    /// JSON lines.
    Lines(Lines<R>),
    /// A table.
    Table(Box<Table<R>>),
    /// Nothing more can be read.
    Over,
}

impl<R: Read> Rows<R> {
    /// Reads rows of some format; `fields` are those that a table may have.
    pub fn new(format: Format, reader: R, fields: &'static [&'static str]) -> Self {
        match format {
            Format::Jsonl => Self::Lines(Lines { reader: BufReader::new(reader), line: 0 }),
            Format::Csv => Self::Table(Box::new(Table::new(reader, fields))),
        }
    }

    /// The next row; an error where the body broke off.
    pub fn next(&mut self) -> Result<Option<Row>> {
        let (row, goes_on) = match self {
            Self::Lines(lines) => lines.next()?,
            Self::Table(table) => table.next()?,
            Self::Over => (None, false),
        };
        if !goes_on {
            *self = Self::Over;
        }
        Ok(row)
    }
}

/// A row, and whether more can be read after it.
type Next = (Option<Row>, bool);

fn wrong(line: u64, field: &str, message: impl Into<String>) -> Option<Row> {
    Some((line, Err(vec![fault(field, message)])))
}

fn too_long(line: u64) -> Next {
    (wrong(line, "", format!("is longer than {MOST} bytes; what comes after it was not read")), false)
}

/// JSON lines.
pub struct Lines<R: Read> {
    reader: BufReader<R>,
    line: u64,
}

impl<R: Read> Lines<R> {
    fn next(&mut self) -> Result<Next> {
        loop {
            let mut bytes = Vec::new();
            self.reader.by_ref().take(MOST as u64 + 1).read_until(b'\n', &mut bytes)?;
            if bytes.is_empty() {
                return Ok((None, false));
            }
            self.line += 1;
            if bytes.len() > MOST {
                return Ok(too_long(self.line));
            }
            let text = if self.line == 1 { bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes) } else { &bytes };
            if !text.trim_ascii().is_empty() {
                let value = serde_json::from_slice(text).map_err(|error| vec![fault("", format!("is no JSON: {error}"))]);
                return Ok((Some((self.line, value)), true));
            }
        }
    }
}

/// A table.
pub struct Table<R: Read> {
    reader: csv::Reader<Bounded<R>>,
    since: Rc<Cell<usize>>,
    known: &'static [&'static str],
    header: Option<Vec<String>>,
    /// Whether lines end in CR LF, as the first one does.
    crlf: bool,
}

impl<R: Read> Table<R> {
    fn new(reader: R, known: &'static [&'static str]) -> Self {
        let since = Rc::new(Cell::new(0));
        let bounded = Bounded { reader, since: since.clone() };
        // With LF alone as the end, each row's line is counted right; a CR before it is taken off below.
        let ends = csv::Terminator::Any(b'\n');
        let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).terminator(ends).from_reader(bounded);
        Self { reader, since, known, header: None, crlf: false }
    }

    /// A row's last cell without the CR of its line's end.
    fn without_cr<'c>(&self, cell: &'c str, is_last: bool) -> &'c str {
        if is_last && self.crlf { cell.strip_suffix('\r').unwrap_or(cell) } else { cell }
    }

    fn next(&mut self) -> Result<Next> {
        let Some(header) = self.header.take() else { return self.read_header() };
        let next = self.read_row(&header);
        self.header = Some(header);
        next
    }

    fn read_row(&mut self, header: &[String]) -> Result<Next> {
        let mut cells = csv::StringRecord::new();
        let line = loop {
            match read(&mut self.reader, &self.since, &mut cells)? {
                // An empty line.
                Found::Row(_) if cells.len() == 1 && self.without_cr(&cells[0], true).is_empty() => {}
                Found::Row(line) => break line,
                Found::Wrong(row) => return Ok((Some(row), true)),
                Found::TooLong(line) => return Ok(too_long(line)),
                Found::Nothing => return Ok((None, false)),
            }
        };
        if cells.len() != header.len() {
            return Ok((wrong(line, "", format!("has {} cells, and the header names {} fields", cells.len(), header.len())), true));
        }
        let (mut map, mut faults) = (Map::new(), Vec::new());
        for (at, (field, cell)) in header.iter().zip(&cells).enumerate() {
            match cells::read(field, self.without_cr(cell, at + 1 == header.len())) {
                Ok(Some(value)) => drop(map.insert(field.clone(), value)),
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        Ok((Some((line, if faults.is_empty() { Ok(map.into()) } else { Err(faults) })), true))
    }

    /// The first row says what stands where.
    fn read_header(&mut self) -> Result<Next> {
        let mut cells = csv::StringRecord::new();
        let line = match read(&mut self.reader, &self.since, &mut cells)? {
            Found::Row(line) => line,
            Found::Wrong(row) => return Ok((Some(row), false)),
            Found::TooLong(line) => return Ok(too_long(line)),
            Found::Nothing => return Ok((None, false)),
        };
        self.crlf = cells.iter().next_back().is_some_and(|name| name.ends_with('\r'));
        let names: Vec<String> = cells.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
        let twice = |(at, name): (usize, &String)| names[..at].contains(name).then(|| fault(name, "is named twice by the header"));
        let unknown = |name: &String| !self.known.contains(&name.as_str());
        let strange = |(at, name): (usize, &String)| match is_like_a_field(name) {
            true => fault(name, format!("there is no such field{}", hint(name, self.known))),
            // A table without a header: what stands there is not repeated, it may be a key.
            false => fault(&format!("column {}", at + 1), "is no field: the first row must name the fields"),
        };
        let mut faults: Vec<FieldFault> = names.iter().enumerate().filter(|(_, name)| unknown(name)).map(strange).collect();
        faults.extend(names.iter().enumerate().filter(|(_, name)| !unknown(name)).filter_map(twice));
        if !faults.is_empty() {
            return Ok((Some((line, Err(faults))), false));
        }
        self.header = Some(names);
        self.next()
    }
}

/// Whether somebody may have meant to name a field.
fn is_like_a_field(name: &str) -> bool {
    (1..=20).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphabetic() || b"_-.".contains(&b))
}

enum Found {
    Row(u64),
    Wrong(Row),
    TooLong(u64),
    Nothing,
}

fn read<R: Read>(reader: &mut csv::Reader<Bounded<R>>, since: &Cell<usize>, into: &mut csv::StringRecord) -> Result<Found> {
    since.set(0);
    let next = reader.position().line();
    match reader.read_record(into) {
        Ok(true) => Ok(Found::Row(into.position().map_or(next, csv::Position::line))),
        Ok(false) => Ok(Found::Nothing),
        Err(error) => match error.into_kind() {
            csv::ErrorKind::Io(error) if error.kind() == ErrorKind::FileTooLarge => Ok(Found::TooLong(next)),
            csv::ErrorKind::Io(error) => Err(error),
            csv::ErrorKind::Utf8 { pos, .. } => {
                let line = pos.map_or(next, |position| position.line());
                Ok(Found::Wrong((line, Err(vec![fault("", "is not UTF-8")]))))
            }
            other => Err(Error::other(format!("{other:?}"))),
        },
    }
}

/// Bytes, so many at the most since a row was begun.
pub struct Bounded<R: Read> {
    reader: R,
    since: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.since.get() > MOST {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let read = self.reader.read(into)?;
        self.since.set(self.since.get() + read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIELDS: &[&str] = &["name", "scopes", "metadata"];

    /// Rows as told: the line, and the value or the faults.
    fn told(format: Format, text: &[u8]) -> Vec<String> {
        let mut rows = Rows::new(format, text, FIELDS);
        let next = || {
            rows.next().unwrap().map(|(line, row)| match row {
                Ok(value) => format!("{line} {value}"),
                Err(faults) => format!("{line} {}", faults.iter().map(|f| format!("!{}: {}", f.field, f.message)).collect::<String>()),
            })
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn json_lines() {
        let text = "\u{feff}{\"name\": \"a\"}\r\n\n  \n{\"name\": 1}\nno\n{\"name\": \"b\"}";
        let rows = told(Format::Jsonl, text.as_bytes());
        assert_eq!(rows[0], "1 {\"name\":\"a\"}");
        assert_eq!(rows[1], "4 {\"name\":1}");
        assert!(rows[2].starts_with("5 !: is no JSON"), "{rows:?}");
        assert_eq!(rows[3..], ["6 {\"name\":\"b\"}"]);
    }

    #[test]
    fn tables() {
        let text =
            "\u{feff}name,scopes,metadata\r\n\"a,\n\"\"b\"\"\",x y,\"{\"\"c\"\": 1}\"\r\n=1+1,[],\r\nshort,x\r\n-,,no\r\nlast,x,\r\n";
        let rows = told(Format::Csv, text.as_bytes());
        assert_eq!(rows[0], r#"2 {"name":"a,\n\"b\"","scopes":["x","y"],"metadata":{"c":1}}"#);
        assert_eq!(rows[1], r#"4 {"name":"=1+1","scopes":[]}"#);
        assert_eq!(rows[2], "5 !: has 2 cells, and the header names 3 fields");
        assert!(rows[3].starts_with("6 !metadata: is no JSON"), "{rows:?}");
        assert_eq!(rows[4..], [r#"7 {"name":"last","scopes":["x"]}"#]);
        assert_eq!(told(Format::Csv, format!("name\r\n{}a\r\n", "\r\n".repeat(100_000)).as_bytes()), [r#"100002 {"name":"a"}"#]);
    }

    #[test]
    fn a_header_names_each_field_once_and_none_that_nobody_knows() {
        let rows = told(Format::Csv, b"name,nme,scopes,scopes\na,b,c,d\n");
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert!(rows[0].contains("!nme: there is no such field") && rows[0].contains("!scopes: is named twice"), "{rows:?}");
    }

    #[test]
    fn a_table_without_a_header_is_not_repeated() {
        let key = "tg_live_5Yk2cPq8";
        let rows = told(Format::Csv, format!("{key},ada@example.com,{},name,\nb,c,d,e,f\n", "x".repeat(21)).as_bytes());
        assert_eq!(rows.len(), 1);
        for column in [1, 2, 3, 5] {
            assert!(rows[0].contains(&format!("!column {column}: is no field")), "{rows:?}");
        }
        assert!(!rows[0].contains(key) && !rows[0].contains("ada") && !rows[0].contains("xxx"), "{rows:?}");
    }

    #[test]
    fn nothing_is_read_without_end() {
        let long = "x".repeat(3 * MOST);
        for (format, text) in [(Format::Jsonl, format!("{{}}\n{long}\n{{}}\n")), (Format::Csv, format!("name\na\n\"{long}\"\nb\n"))] {
            let rows = told(format, text.as_bytes());
            assert_eq!(rows.len(), 2, "{format:?}");
            assert!(rows[1].contains("is longer than"), "{format:?}: {}", rows[1]);
        }
    }

    #[test]
    fn what_is_no_utf_8_is_named() {
        assert_eq!(told(Format::Csv, b"name\n\xff\nb\n"), ["2 !: is not UTF-8", "3 {\"name\":\"b\"}"]);
        assert!(told(Format::Jsonl, b"{\"name\": \"\xff\"}\n")[0].starts_with("1 !: is no JSON"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), table in "[a-z\",\r\n ]{0,80}") {
            told(Format::Jsonl, &bytes);
            told(Format::Csv, &bytes);
            told(Format::Csv, format!("name,scopes\n{table}").as_bytes());
        }
    }
}
