//! The permissions of the Unix socket: as configured, whatever the umask, and what they let others do.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::process::surroundings;
use crate::support::server::text;
use crate::support::{Folder, Server};

/// A group and a user that nobody on the machine is in or is.
const GROUP: u32 = 54_321;
const STRANGER: u32 = 65_534;

/// A folder that anybody may enter, and where its server listens.
fn open_folder(config: &str) -> (Folder, String) {
    let folder = Folder::with(config);
    std::fs::set_permissions(folder.path(""), std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    let listen = format!("unix:{}", folder.path("gate.sock").display());
    (folder, listen)
}

fn serve(folder: &Folder, listen: &str, umask: &str) -> Server {
    let plain = folder.command(&["serve", "--json"]);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(folder.path("")).env("TOLLGATE_SERVER__LISTEN", listen);
    Server::start(command)
}

fn mode(folder: &Folder) -> u32 {
    std::fs::metadata(folder.path("gate.sock")).expect("the socket is there").mode() & 0o7777
}

#[test]
fn the_sockets_permissions_are_as_configured_whatever_the_umask() {
    for (config, expected) in [
        ("", 0o660),
        ("[server]\nsocket_mode = \"600\"\n", 0o600),
        ("[server]\nsocket_mode = \"0660\"\n", 0o660),
        ("[server]\nsocket_mode = \"666\"\n", 0o666),
        ("[server]\nsocket_mode = \"777\"\n", 0o777),
    ] {
        for umask in ["077", "000"] {
            let (folder, listen) = open_folder(config);
            let server = serve(&folder, &listen, umask);
            assert_eq!(mode(&folder), expected, "{config} with the umask {umask}");
            let control = std::fs::metadata(folder.path("tollgate.db.sock")).expect("the control socket is there").mode() & 0o777;
            assert_eq!(control, 0o600, "the control socket stays its owner's");
            // One that a kill leaves behind is replaced, and no wider.
            server.kill();
            let _server = serve(&folder, &listen, umask);
            assert_eq!(mode(&folder), expected, "{config} with the umask {umask}, again");
        }
    }
}

#[test]
fn a_variable_sets_them_too() {
    let (folder, listen) = open_folder("");
    let mut command = folder.command(&["serve", "--json"]);
    let _server = Server::start(std::mem::replace(
        command.env("TOLLGATE_SERVER__LISTEN", listen).env("TOLLGATE_SERVER__SOCKET_MODE", "0600"),
        Command::new("true"),
    ));
    assert_eq!(mode(&folder), 0o600);
}

#[test]
fn permissions_that_are_none_are_told_with_their_key() {
    for wrong in [
        "\"\"",
        "\"abc\"",
        "\"rw-rw----\"",
        "\"668\"",
        "\"400\"",
        "\"060\"",
        "\"000\"",
        "\"1777\"",
        "\"00660\"",
        "\"+660\"",
        "\"0o660\"",
        "660",
        "true",
    ] {
        let folder = Folder::with(&format!("[server]\nsocket_mode = {wrong}\n"));
        let output = folder.run(&["validate", "--json"]);
        assert_eq!(output.status.code(), Some(2), "{wrong}: {output:?}");
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
        let faults: Vec<String> = told["faults"].as_array().expect("faults").iter().map(|fault| text(&fault["key"])).collect();
        assert_eq!(faults, ["server.socket_mode"], "{wrong}: {told}");
        assert_eq!(folder.command(&["serve", "--json"]).output().expect("it runs").status.code(), Some(2), "{wrong}: it does not start");
    }
}

/// Whether this user, in this group, reaches the server.
fn reaches(socket: &Path, user: u32, group: u32) -> bool {
    let mut command = Command::new("curl");
    surroundings(&mut command).args(["--silent", "--fail", "--noproxy", "*", "--max-time", "10", "--unix-socket"]).arg(socket);
    command.arg("http://localhost/auth/v1/health").current_dir("/").uid(user).gid(group);
    command.output().expect("curl runs").status.success()
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").expect("there is /proc").uid() == 0
}

#[test]
fn who_may_not_open_the_socket_cannot_ask() {
    if !is_root() {
        // Only root can be somebody else; for everybody the modes are checked above.
        return;
    }
    for (mode, of_group, of_nothing) in [("600", false, false), ("660", true, false), ("666", true, true)] {
        let (folder, listen) = open_folder(&format!("[server]\nsocket_mode = \"{mode}\"\n"));
        // Either the server's own group, or the folder's where it hands that on.
        for by_folder in [false, true] {
            let mut command = folder.command(&["serve", "--json"]);
            command.env("TOLLGATE_SERVER__LISTEN", &listen);
            if by_folder {
                std::os::unix::fs::chown(folder.path(""), None, Some(GROUP)).expect("root may");
                std::fs::set_permissions(folder.path(""), std::fs::Permissions::from_mode(0o2755)).expect("root may");
            } else {
                command.gid(GROUP);
            }
            let server = Server::start(command);
            let socket = folder.path("gate.sock");
            assert_eq!(std::fs::metadata(&socket).expect("it is there").gid(), GROUP, "{mode}, by the folder: {by_folder}");
            let may = (reaches(&socket, STRANGER, GROUP), reaches(&socket, STRANGER, STRANGER));
            assert_eq!(may, (of_group, of_nothing), "{mode}, by the folder: {by_folder}");
            assert!(reaches(&socket, 0, 0), "{mode}: its owner may");
            assert_eq!(server.stop().0, Some(0));
        }
        // A folder that the group alone may enter keeps all others out, whatever the socket's own permissions.
        std::fs::set_permissions(folder.path(""), std::fs::Permissions::from_mode(0o2750)).expect("root may");
        let mut command = folder.command(&["serve", "--json"]);
        command.env("TOLLGATE_SERVER__LISTEN", &listen);
        let _server = Server::start(command);
        let socket = folder.path("gate.sock");
        assert_eq!((reaches(&socket, STRANGER, GROUP), reaches(&socket, STRANGER, STRANGER)), (of_group, false), "{mode}");
    }
}
