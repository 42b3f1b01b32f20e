//! What every test needs: the real binary in a folder of its own, and an HTTP client that sends exactly what it is told.

pub mod app;
pub mod authenticator;
pub mod browser;
pub mod http;
pub mod line;
pub mod openapi;
pub mod person;
pub mod provider;
pub mod server;
pub mod smtp;
pub mod stage;
pub mod wire;

pub use app::App;
pub use http::{Reply, Request};
pub use line::Line;
pub use server::{Folder, Server};
pub use smtp::Smtp;
pub use stage::Stage;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The program of an example, built as it stands: `cargo test` leaves old ones lying.
pub fn example(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_tollgate")).parent().expect("it lies in a folder");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--example", name]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if folder.ends_with("release") {
        build.arg("--release");
    }
    let built = build.output().expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    folder.join("examples").join(name)
}

/// Asks again until it holds; a test that waits for something waits no longer than it takes, and fails when it never comes.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(value) = ask() {
            return value;
        }
        assert!(Instant::now() < deadline, "it never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Raises a flag when it goes, also by a panic: threads that run until the flag is up never outlive their test.
pub struct Raise<'a>(pub &'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
