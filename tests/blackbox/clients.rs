//! The examples of an app that asks `verify` itself (`examples/clients/`): each as a process of its own, over TCP and over a Unix
//! socket, against the real tollgate. What passes, what is refused and how, and that nothing passes where nobody can tell.

mod cases;
mod gate;
mod outages;
mod process;
mod readme;
mod script;
mod socket;

use std::path::{Path, PathBuf};

/// The examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Python,
    JavaScript,
    Rust,
    Shell,
}

/// Every example.
const CLIENTS: [Client; 4] = [Client::Python, Client::JavaScript, Client::Rust, Client::Shell];

/// How tollgate is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Tcp,
    Unix,
}

/// Every example in each way, at the same time; the first fault of each is told.
#[track_caller]
fn each(play: impl Fn(Client, Way) + Sync) {
    let ways = CLIENTS.into_iter().flat_map(|client| [(client, Way::Tcp), (client, Way::Unix)]);
    let play = &play;
    let failed: Vec<_> = std::thread::scope(|scope| {
        let playing: Vec<_> = ways.map(|(client, way)| ((client, way), scope.spawn(move || play(client, way)))).collect();
        playing.into_iter().filter_map(|(which, played)| played.join().err().map(|_| which)).collect()
    });
    assert!(failed.is_empty(), "failed, as told above: {failed:?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of `examples/clients/`.
fn file(name: &str) -> PathBuf {
    root().join("examples/clients").join(name)
}
