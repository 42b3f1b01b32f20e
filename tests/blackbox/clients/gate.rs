//! A tollgate that can be stopped and started again in the same place.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, Ordering};

use super::Way;
use crate::support::server::text;
use crate::support::{Folder, Server};

/// A name that no header carries as ASCII.
pub const ACCOUNT: &str = "Zoë 水";

/// A key that was made.
pub struct Made {
    pub id: String,
    pub raw: String,
}

/// A tollgate, running or not, its keys and a token for the app.
pub struct Gate {
    pub folder: Folder,
    /// `http://HOST:PORT`, or `unix:PATH`.
    pub place: String,
    pub account: String,
    pub token: String,
    pub keys: BTreeMap<&'static str, Made>,
    server: Option<Server>,
}

impl Gate {
    /// Starts one with these keys: the name of each, and what it is made with.
    pub fn start(way: Way, config: &str, keys: &[(&'static str, &[&str])]) -> Self {
        let folder = Folder::with(config);
        let account = text(&folder.json(&["account", "create", "--name", ACCOUNT])["id"]);
        let made = |more: &[&str]| {
            let key = folder.key(&account, more);
            Made { id: text(&key["id"]), raw: text(&key["key"]) }
        };
        let keys = keys.iter().map(|(name, more)| (*name, made(more))).collect();
        let token = folder.token("verify");
        let place = match way {
            Way::Tcp => format!("http://{}:0", own_address()),
            Way::Unix => format!("unix:{}", folder.path("gate.sock").display()),
        };
        let mut gate = Self { folder, place, account, token, keys, server: None };
        gate.start_again();
        gate
    }

    /// Starts it where it was.
    pub fn start_again(&mut self) {
        let listen = self.place.trim_start_matches("http://");
        let mut command = self.folder.command(&["serve", "--json"]);
        command.env("TOLLGATE_SERVER__LISTEN", listen);
        let server = Server::start(command);
        self.place = if server.address.starts_with("unix:") { server.address.clone() } else { format!("http://{}", server.address) };
        self.server = Some(server);
    }

    /// SIGTERM; what it logged.
    pub fn stop(&mut self) -> String {
        let (code, log) = self.server.take().expect("it runs").stop();
        assert_eq!(code, Some(0), "{log}");
        log
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.server.take().expect("it runs").kill();
    }

    pub fn revoke(&self, name: &str) {
        let output = self.folder.run(&["key", "revoke", &self.keys[name].id]);
        assert!(output.status.success(), "{output:?}");
    }
}

/// A loopback address that no other test listens on: its port is still ours after a stop.
fn own_address() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    format!("127.{}.{high}.{low}", 1 + NEXT.fetch_add(1, Ordering::Relaxed) % 250)
}
