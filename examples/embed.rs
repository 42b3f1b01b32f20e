//! The gate inside a hyper server of few lines: no proxy, no second process. `cargo run --example embed [auth.toml]`, which
//! builds for a while the first time. What it needs in a crate of your own stands in `examples/README.md`.

use std::convert::Infallible;
use std::path::PathBuf;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tollgate::{Gate, Outcome, ResponseBody};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gate = Gate::open(std::env::args_os().nth(1).map(PathBuf::from).as_deref()).await?;
    let listener = TcpListener::bind(("127.0.0.1", std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?)).await?;
    println!("http://{}", listener.local_addr()?);
    // As systemd ends a service.
    let mut terminated = signal(SignalKind::terminate())?;
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = tokio::signal::ctrl_c() => break,
            _ = terminated.recv() => break,
        };
        let gate = gate.clone();
        let answer = service_fn(move |request| {
            let gate = gate.clone();
            async move { Ok::<_, Infallible>(answer(&gate, request, peer).await) }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer));
    }
    // Nothing that was counted is lost.
    gate.close().await;
    Ok(())
}

async fn answer(gate: &Gate, request: Request<Incoming>, peer: std::net::SocketAddr) -> Response<ResponseBody> {
    // /auth/v1/me, the admin API, the documentation: tollgate answers for itself.
    if gate.owns(request.uri().path()) {
        return gate.handle(request, Some(peer)).await;
    }
    // Here the app is this program, so an app that [upstream] names is not asked. To pass on to it, let `handle` answer every path.
    match gate.check(&request, Some(peer)).await {
        Outcome::Refusal(refusal) => refusal.map(ResponseBody::from),
        Outcome::Pass(pass) => {
            let mut response = Response::new(ResponseBody::from(format!("hello, {} on {}\n", pass.account, pass.plan)));
            response.headers_mut().extend(pass.headers);
            response
        }
    }
}
