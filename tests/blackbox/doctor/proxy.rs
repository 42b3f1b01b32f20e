//! A small reverse proxy that asks tollgate first, as Caddy and Traefik do it; and the same broken in one way each.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{Reply, Request};

/// What is wrong with a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// A client's `X-Auth-Account` goes on to the app.
    Account,
    /// A client's `X-Auth-Key` goes on beside the true one.
    KeyBeside,
    /// A client's `X-Auth-Key` takes the true one's place.
    KeyInstead,
    /// A client's `X_Auth_…` go on.
    Underscores,
    /// The app is not told the plan.
    NoPlan,
    /// The app is not told the key.
    NoKey,
    /// The client's address is added to what it says itself.
    Appends,
    /// The client is asked for its address.
    RealIp,
    /// A client's `Forwarded` goes on to the app.
    Forwarded,
    /// tollgate is asked about the path that the client says.
    Uri,
    /// A client's `X-Forwarded-Host` goes on to tollgate beside the true one.
    HostTwice,
    /// tollgate is not told the client's address.
    NoAddress,
    /// tollgate is not told the path.
    NoUri,
    /// tollgate is asked without the credential.
    NoCredential,
    /// A 429 becomes a 500, as with nginx alone.
    Statuses,
    /// A refusal's body is the proxy's own.
    Bodies,
    /// A refusal's `WWW-Authenticate` is lost.
    NoChallenge,
    /// A 429 has no `Retry-After`.
    NoRetryAfter,
    /// A pass has no limit headers.
    NoLimitHeaders,
    /// tollgate is asked twice.
    Twice,
    /// Two `Set-Cookie` become one.
    FoldsCookies,
    /// A `Set-Cookie` loses its attributes.
    StripsCookies,
    /// A `Cookie` is not passed on.
    NoCookie,
    /// The app gets to see the credential.
    Credential,
    /// Where tollgate says 401, a key that passed once goes on passing.
    Stale,
    /// A key that passed once is not asked about again.
    Caches,
    /// Nobody asks tollgate.
    Unguarded,
    /// tollgate is asked about the probe's path alone.
    AppUnguarded,
    /// Everybody is sent on to HTTPS.
    Redirects,
    /// The app is down.
    AppDown,
    /// Its clock is a minute and a half behind.
    Clock,
}

/// What the app does, and whether it gets the probe's path too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum App {
    /// It is tollgate's probe, at that path; elsewhere one that says nothing.
    Probed,
    /// It shows the headers that it gets; the probe is not passed on.
    Echo,
    /// It says nothing of them; the probe is not passed on.
    Silent,
}

/// Where the APIs of the examples have their keys.
const CREDENTIALS: [&str; 2] = ["authorization", "api-key"];

type Head = Vec<(String, String)>;

/// A proxy; it ends with this.
pub struct Proxy {
    pub address: String,
    shared: Arc<Shared>,
}

struct Shared {
    tollgate: String,
    fault: Fault,
    app: App,
    over: AtomicBool,
    /// Every credential that came by.
    credentials: Mutex<HashSet<String>>,
    passed: Mutex<HashMap<String, Reply>>,
}

impl Proxy {
    /// Before a tollgate, with this fault.
    pub fn before(tollgate: &str, fault: Fault, app: App) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            tollgate: tollgate.into(),
            fault,
            app,
            over: AtomicBool::new(false),
            credentials: Mutex::default(),
            passed: Mutex::default(),
        });
        let of_thread = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.over.load(Ordering::Relaxed) {
                    return;
                }
                let (stream, shared) = (stream.unwrap(), of_thread.clone());
                let peer = stream.peer_addr().unwrap().ip();
                // Whoever goes away in the middle has seen enough.
                std::thread::spawn(move || drop(shared.serve(stream, peer)));
            }
        });
        Self { address, shared }
    }

    /// `http://…`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every credential that came by.
    pub fn credentials(&self) -> Vec<String> {
        self.shared.credentials.lock().unwrap().iter().cloned().collect()
    }

    /// Serves one request of a stream that is no TCP one.
    pub fn serve_stream(&self, stream: impl Read + Write, peer: IpAddr) {
        let _ = self.shared.serve_any(stream, peer);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // The thread waits in accept.
        let _ = TcpStream::connect(&self.address);
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream, peer: IpAddr) -> std::io::Result<()> {
        self.serve_any(&stream, peer)?;
        stream.shutdown(Shutdown::Write)
    }

    fn serve_any(&self, mut stream: impl Read + Write, peer: IpAddr) -> std::io::Result<()> {
        let (method, target, headers) = read_head(&mut stream)?;
        let reply = self.answer(&method, &target, &headers, peer);
        let mut head = format!("HTTP/1.1 {} Whatever\r\nConnection: close\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n{}", reply.body).as_bytes())?;
        stream.flush()
    }

    fn answer(&self, method: &str, target: &str, headers: &Head, peer: IpAddr) -> Reply {
        let credential =
            headers.iter().find(|(name, _)| CREDENTIALS.contains(&name.as_str())).map(|(_, value)| value.clone()).unwrap_or_default();
        self.credentials.lock().unwrap().insert(credential.clone());
        if self.fault == Fault::Redirects {
            let to = ("location".to_owned(), format!("https://{}{target}", self.tollgate));
            return Reply { status: 308, headers: vec![to], body: String::new() };
        }
        let is_unguarded = self.fault == Fault::Unguarded || self.fault == Fault::AppUnguarded && !target.starts_with("/auth/");
        let mut asked = if is_unguarded {
            Reply { status: 200, headers: Vec::new(), body: String::new() }
        } else if self.fault == Fault::Caches && self.passed.lock().unwrap().contains_key(&credential) {
            self.passed.lock().unwrap()[&credential].clone()
        } else {
            self.ask(method, target, headers, peer)
        };
        if self.fault == Fault::Twice {
            self.ask(method, target, headers, peer);
        }
        if let Some(passed) = self.passed.lock().unwrap().get(&credential).filter(|_| self.fault == Fault::Stale && asked.status == 401) {
            asked = passed.clone();
        }
        if asked.status != 200 {
            return self.refuse(asked);
        }
        self.passed.lock().unwrap().insert(credential, asked.clone());
        let mut reply = self.pass(method, target, headers, peer, &asked);
        if self.fault != Fault::NoLimitHeaders {
            let limits = asked.headers.iter().filter(|(name, _)| name.starts_with("ratelimit") || name.starts_with("x-ratelimit"));
            reply.headers.extend(limits.cloned());
        }
        reply
    }

    /// Asks tollgate about a request.
    fn ask(&self, method: &str, target: &str, headers: &Head, peer: IpAddr) -> Reply {
        let own = |name: &str| value(headers, name);
        let mut asking = Request::get("/auth/v1/check");
        for (name, value) in headers.iter().filter(|(name, _)| !is_forged(name) && name != "host" && name != "connection") {
            if self.fault != Fault::NoCredential || name != "authorization" {
                asking = asking.header(name, value);
            }
        }
        let uri = own("x-forwarded-uri").filter(|_| self.fault == Fault::Uri).unwrap_or_else(|| target.to_owned());
        if self.fault != Fault::NoUri {
            asking = asking.header("X-Forwarded-Uri", &uri);
        }
        if let Some(host) = own("x-forwarded-host").filter(|_| self.fault == Fault::HostTwice) {
            asking = asking.header("X-Forwarded-Host", &host);
        }
        asking = asking.header("X-Forwarded-Method", method).header("X-Forwarded-Proto", "http").header("X-Forwarded-Host", "test");
        if self.fault != Fault::NoAddress {
            asking = asking.header("X-Forwarded-For", &self.client(headers, peer));
        }
        asking.send(&self.tollgate)
    }

    fn client(&self, headers: &Head, peer: IpAddr) -> String {
        let given = |name: &str| value(headers, name);
        match self.fault {
            Fault::Appends => given("x-forwarded-for").map_or(peer.to_string(), |before| format!("{before}, {peer}")),
            Fault::RealIp => given("x-real-ip").unwrap_or(peer.to_string()),
            _ => peer.to_string(),
        }
    }

    fn refuse(&self, mut refusal: Reply) -> Reply {
        refusal.headers.retain(|(name, _)| !["content-length", "connection", "transfer-encoding"].contains(&name.as_str()));
        let is_429 = refusal.status == 429;
        match self.fault {
            Fault::Statuses if is_429 => Reply { status: 500, headers: Vec::new(), body: "<h1>Internal Server Error</h1>".into() },
            Fault::NoRetryAfter if is_429 => {
                refusal.headers.retain(|(name, _)| name != "retry-after");
                refusal
            }
            Fault::NoChallenge if refusal.status == 401 => {
                refusal.headers.retain(|(name, _)| name != "www-authenticate");
                refusal
            }
            Fault::Bodies if is_429 => Reply { body: "<h1>Too Many Requests</h1>".into(), ..refusal },
            _ => refusal,
        }
    }

    /// Asks the app, which is tollgate itself where the probe is asked for.
    fn pass(&self, method: &str, target: &str, headers: &Head, peer: IpAddr, asked: &Reply) -> Reply {
        let for_app = self.head_for_app(headers, peer, asked);
        let is_probe = target.starts_with("/auth/v1/probe") && self.app == App::Probed;
        let mut reply = if self.fault == Fault::AppDown {
            Reply { status: 502, headers: Vec::new(), body: "<h1>Bad Gateway</h1>".into() }
        } else if is_probe {
            let asking = for_app.iter().fold(Request::new(method, target), |asking, (name, value)| asking.header(name, value));
            asking.send(&self.tollgate)
        } else {
            self.app(target, &for_app)
        };
        reply.headers.retain(|(name, _)| !["content-length", "connection"].contains(&name.as_str()));
        self.change_answer(&mut reply);
        reply
    }

    fn head_for_app(&self, headers: &Head, peer: IpAddr, asked: &Reply) -> Head {
        let goes_on = |name: &str| match (self.fault, name) {
            (_, "host" | "connection") => false,
            (Fault::Account, "x-auth-account") | (Fault::Forwarded, "forwarded") => true,
            (Fault::KeyBeside | Fault::KeyInstead, "x-auth-key") => true,
            (Fault::Underscores, name) if name.contains('_') => true,
            (Fault::Credential, "authorization") => true,
            (Fault::NoCookie, "cookie") => false,
            (_, name) => !is_forged(name) && !CREDENTIALS.contains(&name),
        };
        let mut head: Head = headers.iter().filter(|(name, _)| goes_on(name)).cloned().collect();
        let has = |head: &Head, name: &str| head.iter().any(|(known, _)| known == name);
        for (name, value) in asked.headers.iter().filter(|(name, _)| name.starts_with("x-auth-")) {
            let is_replaced = match self.fault {
                Fault::Account => name == "x-auth-account" && has(&head, name),
                Fault::KeyInstead => name == "x-auth-key" && has(&head, name),
                Fault::NoPlan => name == "x-auth-plan",
                Fault::NoKey => name == "x-auth-key",
                _ => false,
            };
            if !is_replaced {
                head.push((name.clone(), value.clone()));
            }
        }
        head.push(("x-forwarded-for".into(), self.client(headers, peer)));
        head.extend([("x-forwarded-proto".into(), "http".into()), ("x-forwarded-host".into(), "test".into())]);
        head
    }

    fn app(&self, target: &str, head: &Head) -> Reply {
        let body = match self.app {
            App::Echo if target.starts_with("/echo") => head.iter().map(|(name, value)| format!("{name}: {value}\n")).collect(),
            _ => "Hello.\n".to_owned(),
        };
        let status = if target.starts_with("/auth/") { 404 } else { 200 };
        Reply { status, headers: vec![("set-cookie".into(), "own=1".into())], body }
    }

    fn change_answer(&self, reply: &mut Reply) {
        let is_cookie = |(name, _): &&(String, String)| name == "set-cookie";
        match self.fault {
            Fault::FoldsCookies => {
                let all: Vec<String> = reply.headers.iter().filter(is_cookie).map(|(_, value)| value.clone()).collect();
                reply.headers.retain(|(name, _)| name != "set-cookie");
                reply.headers.push(("set-cookie".into(), all.join(", ")));
            }
            Fault::StripsCookies => {
                for (_, value) in reply.headers.iter_mut().filter(|(name, _)| name == "set-cookie") {
                    *value = value.split(';').next().unwrap_or_default().to_owned();
                }
            }
            Fault::Clock => {
                reply.headers.retain(|(name, _)| name != "date");
                let then = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(90);
                reply.headers.push(("date".into(), then.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
            }
            _ => {}
        }
    }
}

/// What no client may say.
fn is_forged(name: &str) -> bool {
    let plain = name.replace('_', "-");
    ["forwarded", "x-real-ip"].contains(&&*plain) || plain.starts_with("x-auth-") || plain.starts_with("x-forwarded-")
}

fn value(headers: &Head, name: &str) -> Option<String> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

/// Method, target, and headers with their names in lower case. Requests of the doctor's have no body.
fn read_head(stream: &mut impl Read) -> std::io::Result<(String, String, Head)> {
    let ended = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let mut reader = BufReader::with_capacity(1, stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next().ok_or_else(ended)?, words.next().ok_or_else(ended)?);
    let mut headers = Head::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(ended());
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => return Ok((method, target, headers)),
        }
    }
}
