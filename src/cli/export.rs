//! `tollgate key export`, `tollgate account export`: what the admin API sends, on its way to stdout or a new file.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::json;

use super::Failure;
use super::args::{ExportArgs, RowFormat};
use super::client::Client;
use super::output::Output;

/// Exports `keys` or `accounts`.
pub async fn run(client: &mut Client, what: &str, args: &ExportArgs, output: &Output) -> Result<(), Failure> {
    let by_name = args.output.as_deref().and_then(RowFormat::of_file);
    let format = args.format.or(by_name).unwrap_or(RowFormat::Jsonl);
    if output.is_json() && args.output.is_none() {
        return Err(Failure::Use("rows on stdout are not one JSON document: leave --json out, or name a file with --output".into()));
    }
    let rows = write(client, what, args, format).await?;
    if let Some(file) = &args.output {
        output.result(&json!({ "exported": rows }), || format!("Exported {what}: {rows}, to {}.", file.display()));
    }
    Ok(())
}

async fn write(client: &mut Client, what: &str, args: &ExportArgs, format: RowFormat) -> Result<u64, Failure> {
    let mut ask = form_urlencoded::Serializer::new(String::new());
    ask.append_pair("format", format.name());
    if let Some(account) = &args.account {
        ask.append_pair("account", account);
    }
    let mut answer = client.download(&format!("/{what}/export?{}", ask.finish()), "*/*").await?;
    let mut target = Target::open(args.output.as_deref())?;
    let mut lines = 0;
    while let Some(bytes) = answer.next().await? {
        lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        if !target.write(&bytes)? {
            break;
        }
    }
    target.keep()?;
    Ok(lines.saturating_sub(u64::from(format == RowFormat::Csv)))
}

/// Where rows go. A file that is not kept to its end goes away.
struct Target<'p> {
    path: Option<&'p Path>,
    sink: Box<dyn Write>,
    is_kept: bool,
}

impl<'p> Target<'p> {
    fn open(path: Option<&'p Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self { path, sink: Box::new(std::io::stdout()), is_kept: true }) };
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = made.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::Use(format!("{} is there already: name another file, or take it away", path.display())),
            _ => Failure::Use(format!("{} cannot be made: {error}", path.display())),
        })?;
        Ok(Self { path: Some(path), sink: Box::new(file), is_kept: false })
    }

    /// Whether anybody wants more.
    fn write(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        match self.sink.write_all(bytes) {
            // Whoever closed the pipe has read enough.
            Err(error) if self.path.is_none() && error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Failure::Failed(format!("the rows cannot be written: {error}"))),
            Ok(()) => Ok(true),
        }
    }

    fn keep(mut self) -> Result<(), Failure> {
        self.sink.flush().map_err(|error| Failure::Failed(format!("the rows cannot be written: {error}")))?;
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.path.filter(|_| !self.is_kept)
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::warn!("{} could not be taken away: {error}", path.display());
        }
    }
}
