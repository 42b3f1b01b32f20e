//! The app behind a proxy: it answers with what it received, and remembers that it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::eventually;

/// Headers that the app sends of its own, under names that tollgate uses too.
pub const OWN: [&str; 4] = ["X-RateLimit-Remaining", "X-RateLimit-Remaining-Hour", "RateLimit", "X-Request-Id"];

/// A running app; its threads end with the test.
pub struct App {
    /// As `--app` takes it.
    pub url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    received: Mutex<Vec<Value>>,
    may_go_on: AtomicBool,
    /// 0: what the path says.
    status: AtomicU16,
}

impl App {
    /// On a port of its own.
    pub fn tcp() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self::accepting(url, move || listener.accept().map(|(stream, _)| (stream.try_clone().unwrap(), stream)))
    }

    /// On a Unix socket.
    pub fn unix(path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("the socket can be made");
        Self::accepting(format!("unix:{}", path.display()), move || {
            listener.accept().map(|(stream, _)| (stream.try_clone().unwrap(), stream))
        })
    }

    fn accepting<R, W>(url: String, accept: impl Fn() -> std::io::Result<(R, W)> + Send + 'static) -> Self
    where
        R: Read + Send + 'static,
        W: Write + Send + 'static,
    {
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        std::thread::spawn(move || {
            while let Ok((reader, writer)) = accept() {
                let shared = own.clone();
                // A proxy that goes away breaks the conversation; that is no fault of the app's.
                std::thread::spawn(move || drop(converse(BufReader::new(reader), writer, &shared)));
            }
        });
        Self { url, shared }
    }

    /// Everything it was asked so far.
    pub fn received(&self) -> Vec<Value> {
        self.shared.received.lock().unwrap().clone()
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.shared.received.lock().unwrap().len()
    }

    /// From now on it answers everything with this.
    pub fn answer_with(&self, status: u16) {
        self.shared.status.store(status, Ordering::Relaxed);
    }

    /// Lets an answer go on that stands still half-way.
    pub fn go_on(&self) {
        self.shared.may_go_on.store(true, Ordering::Relaxed);
    }
}

/// One connection, request by request.
fn converse(mut reader: BufReader<impl Read>, mut writer: impl Write, shared: &Shared) -> std::io::Result<()> {
    while let Some(request) = read(&mut reader)? {
        shared.received.lock().unwrap().push(request.clone());
        let header = |name: &str| request["headers"][name].as_str().unwrap_or_default().to_owned();
        let target = request["target"].as_str().unwrap_or_default();
        if !header("upgrade").is_empty() {
            write!(writer, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {}\r\n\r\n", header("upgrade"))?;
            return echo(reader, writer);
        }
        if target == "/events" {
            write!(writer, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: first\n\n")?;
            writer.flush()?;
            eventually("the test lets the answer go on", || shared.may_go_on.load(Ordering::Relaxed).then_some(()));
            return write!(writer, "data: last\n\n");
        }
        let told: u16 = target.strip_prefix("/status/").map_or(200, |status| status.parse().expect("a status"));
        let status = Some(shared.status.load(Ordering::Relaxed)).filter(|status| *status > 0).unwrap_or(told);
        let body = request.to_string();
        let own: String = OWN.iter().map(|name| format!("{name}: the app's\r\n")).collect();
        let head = format!("HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\nX-App: yes\r\nWWW-Authenticate: App\r\n{own}");
        let body = if request["method"] == "HEAD" { "" } else { &body };
        // In one piece: the kernel would hold back the second of two.
        writer.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", request.to_string().len()).as_bytes())?;
        writer.flush()?;
        if header("connection").eq_ignore_ascii_case("close") {
            return Ok(());
        }
    }
    Ok(())
}

fn echo(mut reader: impl Read, mut writer: impl Write) -> std::io::Result<()> {
    let mut bytes = [0; 512];
    loop {
        let read = reader.read(&mut bytes)?;
        if read == 0 {
            return Ok(());
        }
        writer.write_all(&bytes[..read])?;
    }
}

/// A request as JSON: method, target, headers by their names in lower case, body. A header that came twice is joined by `|`.
fn read(reader: &mut BufReader<impl Read>) -> std::io::Result<Option<Value>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let mut headers = serde_json::Map::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let value = value.trim();
        let known = headers.get(&name.to_ascii_lowercase()).and_then(Value::as_str);
        let joined = known.map_or(value.to_owned(), |known| format!("{known}|{value}"));
        headers.insert(name.to_ascii_lowercase(), joined.into());
    }
    let length = headers.get("content-length").and_then(Value::as_str).and_then(|length| length.parse().ok());
    let is_chunked = headers.get("transfer-encoding").is_some();
    let body = if is_chunked { chunks(reader)? } else { exactly(reader, length.unwrap_or(0))? };
    Ok(Some(json!({ "method": words[0], "target": words[1], "headers": headers, "body": String::from_utf8_lossy(&body) })))
}

fn exactly(reader: &mut impl Read, length: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn chunks(reader: &mut BufReader<impl Read>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
        body.extend(exactly(reader, length)?);
        reader.read_line(&mut line)?;
        if length == 0 {
            return Ok(body);
        }
    }
}
