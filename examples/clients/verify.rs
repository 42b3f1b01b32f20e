//! An app that asks tollgate about each request, over TCP or a Unix socket: `POST /auth/v1/verify`.
//!
//! ```sh
//! TOLLGATE=http://127.0.0.1:8080 TOLLGATE_TOKEN=tgs_… PORT=8000 cargo run --example verify
//! ```
//!
//! TOLLGATE may be `unix:/run/tollgate.sock`. PORT 0 takes any; the first line printed is the address.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Mutex;

/// How long tollgate may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// No verdict is longer.
const LONGEST: usize = 1 << 20;

type Fault = Box<dyn std::error::Error + Send + Sync>;
type Connection = SendRequest<Full<Bytes>>;

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let tollgate = Arc::new(Tollgate::from_environment()?);
    let port = std::env::var("PORT").unwrap_or_else(|_| "8000".into()).parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        let tollgate = tollgate.clone();
        let service = service_fn(move |request| {
            let tollgate = tollgate.clone();
            async move { Ok::<_, Infallible>(handle(&tollgate, &request, peer.ip()).await) }
        });
        let connection =
            hyper::server::conn::http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

/// Answers one request: with the app's own answer where it passes, with tollgate's where it does not.
async fn handle(tollgate: &Tollgate, request: &Request<Incoming>, client: IpAddr) -> Response<Full<Bytes>> {
    let ask = json!({
        "key": credential(request.headers()),
        "method": request.method().as_str(),
        "path": request.uri().path_and_query().map(|target| target.as_str()),
        "ip": client,
    });
    let answered = tollgate.verify(&ask).await.and_then(|verdict| {
        if !verdict.valid {
            return respond(verdict.answer.status, &verdict.answer.headers, verdict.answer.body);
        }
        let mut headers = verdict.answer.headers;
        headers.insert("Content-Type".into(), "application/json".into());
        respond(200, &headers, json!({ "account": verdict.account.map(|account| account.id) }).to_string())
    });
    answered.unwrap_or_else(|fault| {
        eprintln!("no verdict from tollgate: {fault}");
        closed()
    })
}

/// The length is set by hyper; tollgate names no headers of the connection. Values are UTF-8 on the wire.
fn respond(status: u16, headers: &BTreeMap<String, String>, body: String) -> Result<Response<Full<Bytes>>, Fault> {
    let builder = headers.iter().fold(Response::builder().status(status), |builder, (name, value)| builder.header(name, value.as_bytes()));
    Ok(builder.body(Full::new(body.into()))?)
}

/// Where there is no verdict to be had, the request is refused.
fn closed() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new("This request cannot be checked right now.\n".into()));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

/// The bearer key. What cannot be read as one is asked as an empty key, which is `malformed`.
fn credential(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let first = given.next()?;
    let bearer = first.to_str().ok().and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Some(bearer.filter(|_| given.next().is_none()).map_or("", |(_, key)| key.trim()))
}

/// What the app uses of a verdict.
#[derive(Deserialize)]
struct Verdict {
    valid: bool,
    account: Option<Account>,
    answer: Answer,
}

#[derive(Deserialize)]
struct Account {
    id: String,
}

/// What the caller is told, ready to send.
#[derive(Deserialize)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

/// Where tollgate listens.
enum Place {
    Tcp(String),
    Unix(PathBuf),
}

/// A client of tollgate's.
struct Tollgate {
    place: Place,
    token: String,
    /// Connections that wait for the next ask.
    kept: Mutex<Vec<Connection>>,
}

impl Tollgate {
    fn from_environment() -> Result<Self, Fault> {
        let url = std::env::var("TOLLGATE").unwrap_or_else(|_| "http://127.0.0.1:8080".into());
        let token = std::env::var("TOLLGATE_TOKEN").map_err(|_| "set TOLLGATE_TOKEN: tollgate token create --quiet --scope verify")?;
        let place = match url.strip_prefix("unix:") {
            Some(path) => Place::Unix(path.into()),
            None => {
                let uri: Uri = url.parse()?;
                let host = uri.host().ok_or("TOLLGATE names no host: write http://127.0.0.1:8080 or unix:PATH")?;
                Place::Tcp(format!("{host}:{}", uri.port_u16().unwrap_or(80)))
            }
        };
        Ok(Self { place, token, kept: Mutex::default() })
    }

    /// The verdict on a request; whatever comes between is a fault, and not a pass.
    async fn verify(&self, ask: &Value) -> Result<Verdict, Fault> {
        let verdict: Verdict = tokio::time::timeout(PATIENCE, self.post(ask)).await??;
        let refuses = (400..600).contains(&verdict.answer.status);
        if verdict.valid || refuses { Ok(verdict) } else { Err("a refusal that looks like a pass".into()) }
    }

    async fn post(&self, ask: &Value) -> Result<Verdict, Fault> {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/auth/v1/verify")
            .header(HOST, "tollgate")
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(ask.to_string().into()))?;
        let mut connection = self.connection().await?;
        let reply = connection.send_request(request).await?;
        let status = reply.status();
        let body = Limited::new(reply.into_body(), LONGEST).collect().await?.to_bytes();
        self.kept.lock().await.push(connection);
        if status != StatusCode::OK {
            return Err(format!("status {status}").into());
        }
        Ok(serde_json::from_slice(&body)?)
    }

    /// A connection that was kept and still lives, or a new one.
    async fn connection(&self) -> Result<Connection, Fault> {
        loop {
            let Some(mut kept) = self.kept.lock().await.pop() else { break };
            if kept.ready().await.is_ok() {
                return Ok(kept);
            }
        }
        match &self.place {
            Place::Tcp(address) => open(TcpStream::connect(address).await?).await,
            Place::Unix(path) => open(UnixStream::connect(path).await?).await,
        }
    }
}

async fn open<S>(stream: S) -> Result<Connection, Fault>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
