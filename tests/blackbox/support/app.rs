//! A scripted app behind the gate: it notes every request it gets, and answers what its script says, byte for byte.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use super::eventually;
use super::wire::{Body, Fields, Head, PATIENCE, Stream};

/// A request that the app got, as far as it has come.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// On which of its connections, counted from 1.
    pub connection: usize,
    pub head: Head,
    pub body: Vec<u8>,
    pub trailers: Fields,
    /// Whether the body came to its proper end.
    pub is_whole: bool,
}

impl Heard {
    /// A header that is there once.
    #[track_caller]
    pub fn one(&self, name: &str) -> String {
        let values = self.head.all(name);
        assert_eq!(values.len(), 1, "{name} in {}", self.head.text());
        values[0].to_owned()
    }

    #[track_caller]
    pub fn assert_without(&self, name: &str) {
        assert!(self.head.all(name).is_empty(), "{name} in {}", self.head.text());
    }
}

#[derive(Default)]
struct Notes {
    heard: Mutex<Vec<Heard>>,
    /// Every connection there was; those that have ended are `None`.
    connections: Mutex<Vec<Option<Stream>>>,
    is_stopping: AtomicBool,
}

/// The app; its connections end with it.
pub struct App {
    /// What `[upstream] url` calls it.
    pub url: String,
    notes: Arc<Notes>,
    accepting: Option<JoinHandle<()>>,
}

impl App {
    /// One that reads each request whole and then answers.
    pub fn answering(answer: impl Fn(&Heard) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::scripted(by_answers(answer))
    }

    /// One that answers so once it is let go on; and what tells of each request that has arrived.
    pub fn holding(answer: &'static str) -> (Self, Receiver<()>, Latch) {
        let (asked, asking) = channel();
        let go_on = Latch::default();
        let app = Self::scripted({
            let go_on = go_on.clone();
            move |call| {
                asked.send(()).expect("the test listens");
                go_on.wait();
                by_answers(|_| ok(answer))(call);
            }
        });
        (app, asking, go_on)
    }

    /// One whose script is played for each request, from its head on.
    pub fn scripted(script: impl Fn(&mut Call) + Send + Sync + 'static) -> Self {
        Self::at("http://127.0.0.1:0", script)
    }

    /// One that listens at `http://127.0.0.1:PORT` or `unix:PATH`.
    pub fn at(url: &str, script: impl Fn(&mut Call) + Send + Sync + 'static) -> Self {
        let (listener, url) = match url.strip_prefix("unix:") {
            Some(path) => (Listener::Unix(UnixListener::bind(path).expect("the socket can be made")), url.to_owned()),
            None => {
                let listener = TcpListener::bind(url.trim_start_matches("http://")).expect("the port is free");
                let url = format!("http://{}", listener.local_addr().expect("it is bound"));
                (Listener::Tcp(listener), url)
            }
        };
        let notes = Arc::new(Notes::default());
        let accepting = std::thread::spawn({
            let notes = notes.clone();
            move || accept(&listener, &notes, &Arc::new(script))
        });
        Self { url, notes, accepting: Some(accepting) }
    }

    /// Every request so far, in the order their heads came.
    pub fn heard(&self) -> Vec<Heard> {
        self.notes.heard.lock().unwrap().clone()
    }

    /// The latest one.
    #[track_caller]
    pub fn latest(&self) -> Heard {
        self.heard().pop().expect("the app was asked")
    }

    /// The only one, read whole.
    #[track_caller]
    pub fn only(&self) -> Heard {
        let heard = self.heard();
        assert_eq!(heard.len(), 1, "{heard:?}");
        eventually("the request is whole", || self.heard().pop().filter(|heard| heard.is_whole))
    }

    /// The only one, whole or not.
    #[track_caller]
    pub fn only_begun(&self) -> Heard {
        let mut heard = self.heard();
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard.remove(0)
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.notes.connections.lock().unwrap().len()
    }

    /// How many of them are still open.
    pub fn open_connections(&self) -> usize {
        self.notes.connections.lock().unwrap().iter().flatten().count()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.notes.is_stopping.store(true, Ordering::Relaxed);
        // This wakes the one who accepts.
        if Stream::to(self.url.trim_start_matches("http://")).is_ok()
            && let Some(accepting) = self.accepting.take()
        {
            let _ = accepting.join();
        }
        self.notes.connections.lock().unwrap().iter().flatten().for_each(|stream| stream.shutdown(Shutdown::Both));
        if let Some(path) = self.url.strip_prefix("unix:") {
            let _ = std::fs::remove_file(Path::new(path));
        }
    }
}

/// A script that reads each request whole and then answers.
pub fn by_answers(answer: impl Fn(&Heard) -> Vec<u8> + Send + Sync + 'static) -> impl Fn(&mut Call) + Send + Sync + 'static {
    move |call| {
        if call.try_body().is_ok() {
            let answer = answer(&call.heard());
            call.say(answer);
        }
    }
}

/// An answer with a length.
pub fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

/// 200 with this body.
pub fn ok(body: &str) -> Vec<u8> {
    answer("200 OK", "Content-Type: text/plain\r\n", body)
}

/// A chunk of a chunked body.
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

fn accept<S: Fn(&mut Call) + Send + Sync + 'static>(listener: &Listener, notes: &Arc<Notes>, script: &Arc<S>) {
    loop {
        let stream = match listener {
            Listener::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
            Listener::Unix(listener) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        };
        if notes.is_stopping.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream.and_then(Stream::ready) else { continue };
        let connection = {
            let mut connections = notes.connections.lock().unwrap();
            connections.push(Some(stream.try_clone().expect("a connection can be cloned")));
            connections.len()
        };
        let (notes, script) = (notes.clone(), script.clone());
        std::thread::spawn(move || converse(stream, connection, &notes, &*script));
    }
}

/// Plays the script for each request of a connection.
fn converse(stream: Stream, connection: usize, notes: &Notes, script: &impl Fn(&mut Call)) {
    let mut reader = BufReader::new(stream);
    while let Ok(Some(head)) = Head::read(&mut reader) {
        let at = {
            let mut heard = notes.heard.lock().unwrap();
            heard.push(Heard { connection, head: head.clone(), ..Heard::default() });
            heard.len() - 1
        };
        let body = Body::of_request(&head);
        let mut call = Call { head, connection, reader: &mut reader, body, notes, at, end: End::Stays };
        script(&mut call);
        // Whatever the script left unread must not be taken for the next request.
        let end = call.end;
        match end {
            End::Stays if call.try_body().is_ok() => {}
            End::Reset => {
                reader.get_ref().will_reset();
                // Only the last one who holds a socket resets it.
                notes.connections.lock().unwrap()[connection - 1] = None;
                return;
            }
            _ => break,
        }
    }
    reader.get_ref().shutdown(Shutdown::Both);
    notes.connections.lock().unwrap()[connection - 1] = None;
}

/// What becomes of a connection after the script.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Stays,
    Over,
    Reset,
}

/// One request, while the script plays.
pub struct Call<'c> {
    pub head: Head,
    pub connection: usize,
    reader: &'c mut BufReader<Stream>,
    body: Body,
    notes: &'c Notes,
    at: usize,
    end: End,
}

impl Call<'_> {
    /// What came so far.
    pub fn heard(&self) -> Heard {
        self.notes.heard.lock().unwrap()[self.at].clone()
    }

    fn note(&self, change: impl FnOnce(&mut Heard)) {
        change(&mut self.notes.heard.lock().unwrap()[self.at]);
    }

    /// What comes next of the body, which is not noted; `None` at its proper end.
    pub fn piece(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let piece = self.body.piece(self.reader)?;
        if piece.is_none() {
            let trailers = self.body.trailers.clone();
            self.note(|heard| (heard.trailers, heard.is_whole) = (trailers, true));
        }
        Ok(piece)
    }

    /// Reads and notes what is left of the body.
    pub fn try_body(&mut self) -> std::io::Result<()> {
        while let Some(piece) = self.piece()? {
            self.note(|heard| heard.body.extend(piece));
        }
        Ok(())
    }

    /// Says bytes as they are. Whoever does not listen any more is told no more.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        if self.try_say(bytes).is_err() {
            self.end = End::Over;
        }
    }

    pub fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())
    }

    /// Ends the connection here.
    pub fn hang_up(&mut self) {
        self.end = End::Over;
        self.stream().shutdown(Shutdown::Both);
    }

    /// Ends the connection with a reset, where it can be one.
    pub fn reset(&mut self) {
        self.end = End::Reset;
    }

    /// Waits until the other side ends the connection; what it still said.
    pub fn ended(&mut self) -> Vec<u8> {
        self.end = End::Over;
        let mut rest = Vec::new();
        loop {
            match self.reader.fill_buf() {
                Ok([]) => return rest,
                Ok(bytes) => {
                    rest.extend_from_slice(bytes);
                    let length = bytes.len();
                    self.reader.consume(length);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the app's connection did not end"),
                Err(_) => return rest,
            }
        }
    }

    pub fn stream(&self) -> &Stream {
        self.reader.get_ref()
    }

    /// The connection itself, for what is no HTTP any more; it ends with the script.
    pub fn raw(&mut self) -> &mut BufReader<Stream> {
        self.end = End::Over;
        self.reader
    }
}

/// Waited for by one side of a test, opened by the other.
#[derive(Clone, Default)]
pub struct Latch(Arc<(Mutex<bool>, Condvar)>);

impl Latch {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Fails where nobody opens it.
    #[track_caller]
    pub fn wait(&self) {
        let guard = self.0.0.lock().unwrap();
        let (guard, _) = self.0.1.wait_timeout_while(guard, PATIENCE, |is_open| !*is_open).unwrap();
        assert!(*guard, "nobody opened the latch");
    }
}
