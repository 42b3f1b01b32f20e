//! `tollgate key import`, `tollgate account import`, `tollgate user import`: a file on its way to the admin API, and how far it is.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::Failure;
use super::args::{ImportArgs, RowFormat};
use super::client::{Answer, Client};
use super::output::Output;
use crate::http::feed::{Feed, feed};

/// How much of the file is sent at once.
const PIECE: usize = 64 * 1024;

/// Imports a file of `keys`, `accounts` or `users`.
pub async fn run(client: &mut Client, what: &str, args: &ImportArgs, output: &Output) -> Result<(), Failure> {
    let rows = send(client, what, Source::open(args)?).await?;
    output.result(&json!({ "imported": rows }), || format!("Imported {what}: {rows}."));
    Ok(())
}

/// The file, of which the beginning was read already.
struct Source {
    reader: Box<dyn Read + Send>,
    begun: Vec<u8>,
    length: Option<u64>,
    format: RowFormat,
}

impl Source {
    fn open(args: &ImportArgs) -> Result<Self, Failure> {
        let (mut reader, length): (Box<dyn Read + Send>, _) = if args.file == Path::new("-") {
            (Box::new(std::io::stdin()), None)
        } else {
            let file = File::open(&args.file).map_err(|error| unreadable(&args.file, &error))?;
            let length = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
            (Box::new(file), length)
        };
        let begun = piece(&mut reader).map_err(|error| unreadable(&args.file, &error))?;
        let format = args.format.or_else(|| RowFormat::of_file(&args.file)).unwrap_or_else(|| format_of(&begun));
        Ok(Self { reader, begun, length, format })
    }
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::Use(format!("{} cannot be read: {error}", file.display()))
}

/// What begins with a brace, or with a bracket by mistake, is JSON.
fn format_of(begun: &[u8]) -> RowFormat {
    let text = begun.strip_prefix("\u{feff}".as_bytes()).unwrap_or(begun).trim_ascii_start();
    if matches!(text.first(), Some(b'{' | b'[')) { RowFormat::Jsonl } else { RowFormat::Csv }
}

/// The next bytes; none at the end.
fn piece(reader: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut piece = vec![0; PIECE];
    loop {
        match reader.read(&mut piece) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => {
                piece.truncate(read?);
                return Ok(piece);
            }
        }
    }
}

/// Sends the file; answers how many rows it was.
async fn send(client: &mut Client, what: &str, source: Source) -> Result<u64, Failure> {
    let bar = bar(source.length, "{msg} {wide_bar} {bytes} of {total_bytes}, {eta} left", "{msg} {spinner} {bytes}");
    bar.set_message("Reading and checking");
    let media = if source.format == RowFormat::Csv { "text/csv" } else { "application/jsonl" };
    let (feed, fed) = feed();
    let reading = std::thread::spawn({
        let bar = bar.clone();
        move || read(source, &feed, &bar).map(|()| feed.end())
    });
    let answer = client.upload(&format!("/{what}/import"), media, "application/jsonl", fed).await;
    bar.finish_and_clear();
    // A file that could not be read to its end is the cause of whatever was answered; a refusal needs no more of it.
    if let Ok(Err(error)) = if answer.is_ok() || reading.is_finished() { reading.join() } else { Ok(Ok(())) } {
        return Err(Failure::Failed(format!("the file cannot be read: {error}; nothing was imported")));
    }
    follow(answer?, what).await
}

/// Reads the file into the request, until nobody wants it any more.
fn read(mut source: Source, feed: &Feed, bar: &ProgressBar) -> std::io::Result<()> {
    let mut bytes = std::mem::take(&mut source.begun);
    while !bytes.is_empty() {
        bar.inc(bytes.len() as u64);
        if feed.send_blocking(bytes).is_err() {
            break;
        }
        bytes = piece(&mut *source.reader)?;
    }
    Ok(())
}

/// Follows the rows as they move, to the last line of the answer.
async fn follow(mut answer: Answer, what: &str) -> Result<u64, Failure> {
    let bar = bar(Some(0), "{msg} {wide_bar} {human_pos} of {human_len}, {eta} left", "");
    bar.set_message(format!("Moving {what}"));
    let mut lines = Vec::new();
    let mut last = Value::Null;
    let ended = loop {
        match answer.next().await {
            Ok(Some(bytes)) => lines.extend_from_slice(&bytes),
            Ok(None) => break Ok(()),
            Err(failure) => break Err(failure),
        }
        while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = lines.drain(..=end).collect();
            last = serde_json::from_slice(&line).unwrap_or_default();
            if let (Some(moved), Some(rows)) = (last["moved"].as_u64(), last["rows"].as_u64()) {
                bar.set_length(rows);
                bar.set_position(moved);
            }
        }
    };
    bar.finish_and_clear();
    match last["imported"].as_u64() {
        _ if last["status"].is_u64() => Err(Failure::Refused(503, last)),
        Some(rows) => ended.map(|()| rows),
        // It would not have begun to answer otherwise.
        None => Err(Failure::Failed(format!(
            "{}. The import is sealed, and is finished all the same, by itself or once tollgate is started again: do not send it a second \
             time. tollgate audit --action {what}.imported shows when it is done",
            ended.err().map_or("the answer ended early".into(), |failure| failure.reason().trim_end_matches('.').to_owned())
        ))),
    }
}

/// A bar on stderr, where that is a terminal; the second shape where nobody knows how long it will be.
fn bar(length: Option<u64>, known: &str, unknown: &str) -> ProgressBar {
    let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let shape = if length.is_some() { known } else { unknown };
    if let Ok(style) = ProgressStyle::with_template(shape) {
        bar.set_style(style);
    }
    bar
}
