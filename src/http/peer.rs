//! Who is at the other end of a connection.

use std::net::SocketAddr;

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A network address.
    Tcp(SocketAddr),
    /// Somebody who may open the Unix socket.
    Unix,
    /// The operator: the command line, over the control socket or in this process.
    Control,
}
