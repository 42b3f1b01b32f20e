//! A real proxy in front of an app, with exactly the configuration that `tollgate proxy` printed.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use super::app::App;
use crate::support::{Folder, Reply, Request, Stage, eventually};

/// Which proxy, and in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It asks tollgate.
    Nginx,
    Caddy,
    /// It only stands before a tollgate that passes on itself.
    NginxBefore,
    CaddyBefore,
}

impl Kind {
    /// As the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx | Self::NginxBefore => "nginx",
            Self::Caddy | Self::CaddyBefore => "caddy",
        }
    }

    /// Whether tollgate passes on itself.
    pub fn is_before(self) -> bool {
        matches!(self, Self::NginxBefore | Self::CaddyBefore)
    }

    /// Tells tollgate of its app, where it passes on itself.
    pub fn told(self, folder: Folder, app: &App) -> Folder {
        if self.is_before() { folder.variable("TOLLGATE_UPSTREAM__URL", &app.url) } else { folder }
    }

    /// Where its program is. Debian keeps nginx where not everybody looks.
    fn program(self) -> PathBuf {
        let path = std::env::var("PATH").unwrap_or_default();
        let places = path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]).map(|folder| PathBuf::from(folder).join(self.name()));
        let found = places.into_iter().find(|program| program.is_file());
        found.unwrap_or_else(|| panic!("{0} is not installed: tests/run installs it (Debian: apt install {0})", self.name()))
    }

    /// Writes a printed configuration into a folder, with as little around it as it needs to run there.
    fn write(self, folder: &Folder, config: &str) {
        let write = |name: &str, text: &str| std::fs::write(folder.path(name), text).expect("the folder can be written");
        write("printed", config);
        match self {
            Self::Nginx | Self::NginxBefore => {
                let temporary: String =
                    ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"].map(|name| format!("{name}_temp_path temp_{name};\n")).concat();
                // One process, so that it ends with its test.
                let around = "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {}\n";
                write("wrapper", &format!("{around}http {{\naccess_log off;\n{temporary}include printed;\n}}\n"));
            }
            Self::Caddy | Self::CaddyBefore => {
                // No port but its own.
                write("wrapper", "{\n\tadmin off\n\tauto_https disable_redirects\n}\nimport printed\n");
            }
        }
    }

    /// Its command on a folder that was written: to check the configuration, or to run.
    fn command(self, folder: &Folder, checks: bool) -> Command {
        let mut command = Command::new(self.program());
        let wrapper = folder.path("wrapper");
        match self {
            Self::Nginx | Self::NginxBefore => {
                command.args(if checks { &["-t"][..] } else { &[] });
                command.args(["-e", "stderr", "-p"]).arg(folder.path("")).arg("-c").arg(wrapper);
            }
            Self::Caddy | Self::CaddyBefore => {
                command.arg(if checks { "validate" } else { "run" }).args(["--adapter", "caddyfile", "--config"]).arg(wrapper);
                let home = folder.path("");
                command.env("HOME", &home).env("XDG_DATA_HOME", &home).env("XDG_CONFIG_HOME", &home);
            }
        }
        command.current_dir(folder.path("")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// What the proxy itself says of a configuration.
    pub fn check(self, folder: &Folder, config: &str) -> Output {
        self.write(folder, config);
        self.command(folder, true).output().expect("the proxy runs")
    }
}

/// A tollgate, an app, and a proxy between clients and both.
pub struct Front {
    pub kind: Kind,
    pub stage: Stage,
    pub app: App,
    pub proxy: Proxy,
}

impl Front {
    /// On this `auth.toml`.
    pub fn with(kind: Kind, config: &str) -> Self {
        Self::of(kind, Folder::with(config), App::tcp())
    }

    pub fn of(kind: Kind, folder: Folder, app: App) -> Self {
        let stage = Stage::of(kind.told(folder, &app));
        let proxy = Proxy::start(kind, &stage.folder, &stage.server.address, &app);
        Self { kind, stage, app, proxy }
    }

    /// Sends a request through the proxy.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Reply {
        request.send(&self.proxy.address)
    }

    /// Sends a request that must reach the app, once; what the app received.
    #[track_caller]
    pub fn passes(&self, request: &Request) -> serde_json::Value {
        let before = self.app.asked();
        let reply = self.send(request).expect(200);
        assert_eq!(self.app.asked(), before + 1, "{reply:?}");
        self.app.received().pop().expect("it was asked")
    }

    /// Sends a request that must not reach the app.
    #[track_caller]
    pub fn refused(&self, request: &Request) -> Reply {
        let before = self.app.asked();
        let reply = self.send(request);
        assert_eq!(self.app.asked(), before, "{}: the app was asked: {reply:?}", self.kind.name());
        assert!(reply.header("X-App").is_none(), "{reply:?}");
        reply
    }
}

/// A running proxy; killed when it is dropped.
pub struct Proxy {
    child: Child,
    /// `host:port`.
    pub address: String,
    /// Where its files lie.
    _folder: Folder,
}

impl Proxy {
    /// Prints the configuration for a port that is free, and runs it. Where another test was faster at that port, with the next.
    pub fn start(kind: Kind, printing: &Folder, tollgate: &str, app: &App) -> Self {
        Self::edited(kind, printing, tollgate, app, |printed| printed)
    }

    /// The same, with the configuration edited.
    pub fn edited(kind: Kind, printing: &Folder, tollgate: &str, app: &App, edit: impl Fn(String) -> String) -> Self {
        let named = if kind.is_before() { &[][..] } else { &["--app", &app.url] };
        Self::named(kind, printing, tollgate, named, edit)
    }

    /// Before a tollgate that passes on to whatever app it knows.
    pub fn before(kind: Kind, printing: &Folder, tollgate: &str) -> Self {
        Self::named(kind, printing, tollgate, &[], |printed| printed)
    }

    fn named(kind: Kind, printing: &Folder, tollgate: &str, named: &[&str], edit: impl Fn(String) -> String) -> Self {
        for _ in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
            let config = edit(print(kind, printing, tollgate, &[named, &["--listen", &free]].concat()));
            if let Some(proxy) = Self::run(kind, &config, &free) {
                return proxy;
            }
        }
        panic!("{} found no free port", kind.name());
    }

    fn run(kind: Kind, config: &str, address: &str) -> Option<Self> {
        let folder = Folder::new();
        kind.write(&folder, config);
        let mut child = kind.command(&folder, false).spawn().expect("the proxy runs");
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            let _ = std::io::Read::read_to_string(&mut stderr, &mut log);
            log
        });
        let ended = eventually("the proxy listens or ends", || match child.try_wait().expect("it can be waited for") {
            Some(_) => Some(true),
            None => TcpStream::connect(address).is_ok().then_some(false),
        });
        if !ended {
            return Some(Self { child, address: address.into(), _folder: folder });
        }
        let log = log.join().expect("the log can be read");
        assert!(log.to_lowercase().contains("address already in use"), "{} did not start:\n{log}\n{config}", kind.name());
        None
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `tollgate proxy` prints where tollgate listens there.
#[track_caller]
pub fn print(kind: Kind, folder: &Folder, tollgate: &str, more: &[&str]) -> String {
    let output = folder.command(&[&["proxy", kind.name()], more].concat()).env("TOLLGATE_SERVER__LISTEN", tollgate).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("it prints text")
}
