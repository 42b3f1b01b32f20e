//! What is said of this machine: its proxy, what the doctor looks at, and copies of the database.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

/// What the configuration of a proxy is made for.
#[derive(Debug, ClapArgs)]
pub struct ProxyArgs {
    /// Which proxy
    pub proxy: ProxyKind,
    /// Where the app is, for a proxy that asks: http://HOST:PORT or unix:PATH [default, without upstream.url: http://127.0.0.1:3000]
    #[arg(long, value_name = "URL")]
    pub app: Option<String>,
    /// Where the proxy listens, in plain HTTP: HOST:PORT or :PORT [default: :80; Caddy, where it knows a name: HTTPS]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// The name that clients call [default: the host of server.public_url]
    #[arg(long, value_name = "HOST")]
    pub name: Option<String>,
}

/// A proxy.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ProxyKind {
    /// auth_request
    Nginx,
    /// reverse_proxy with handle_response
    Caddy,
}

/// How far the doctor looks.
#[derive(Debug, ClapArgs)]
pub struct DoctorArgs {
    /// Call by way of the real proxy, and prove what must come out right there
    #[arg(long, value_name = "URL")]
    pub through: Option<String>,
    /// Certificates of a private authority, PEM, for an https:// URL
    #[arg(long, value_name = "FILE", requires = "through")]
    pub ca: Option<PathBuf>,
    /// This machine's address as the proxy sees it, where it is behind NAT
    #[arg(long, value_name = "IP", requires = "through")]
    pub address: Option<IpAddr>,
    /// A path of the app to call; one that shows the headers it gets proves the most [default: /]
    #[arg(long, value_name = "PATH", requires = "through")]
    pub path: Option<String>,
}

/// What is printed of the documents.
#[derive(Debug, ClapArgs)]
pub struct DocsArgs {
    /// As one HTML file instead of Markdown
    #[arg(long)]
    pub html: bool,
    /// The API reference instead of the authentication page
    #[arg(long)]
    pub reference: bool,
}

/// Where a copy goes.
#[derive(Debug, ClapArgs)]
pub struct BackupArgs {
    /// The copy; a file of that name stays as it is
    pub file: PathBuf,
    /// Replace an older copy of that name
    #[arg(long)]
    pub force: bool,
}

/// Where a copy comes from.
#[derive(Debug, ClapArgs)]
pub struct RestoreArgs {
    /// The copy
    pub file: PathBuf,
}
