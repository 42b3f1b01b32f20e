//! The unit of systemd: sound by systemd's own reading, hardened, and told how far the server is.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::support::{Folder, Server};

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/systemd/tollgate.service");

/// How exposed the unit may be, from 0 to 10, as `systemd-analyze security` reckons: it needs the network and its own files.
const MOST_EXPOSED: &str = "15";

/// Runs systemd-analyze; `None` where there is no systemd.
fn analyze(arguments: &[&str], folder: &Path) -> Option<Output> {
    match Command::new("systemd-analyze").args(arguments).current_dir(folder).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("there is no systemd here: the unit was not read by it");
            None
        }
        Err(error) => panic!("systemd-analyze cannot be run: {error}"),
    }
}

/// The unit with a binary that is there, so that nothing else is told.
fn installed(folder: &Folder) -> String {
    let unit = std::fs::read_to_string(UNIT).unwrap().replace("/usr/local/bin/tollgate", env!("CARGO_BIN_EXE_tollgate"));
    let path = folder.path("tollgate.service");
    std::fs::write(&path, unit).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn systemd_reads_it_without_a_word() {
    let folder = Folder::new();
    let Some(output) = analyze(&["verify", "--man=no", &installed(&folder)], &folder.path("")) else { return };
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let about_it: Vec<&str> = told.lines().filter(|line| line.contains("tollgate")).collect();
    assert!(output.status.success() && about_it.is_empty(), "{told}");
    let broken = std::fs::read_to_string(UNIT).unwrap().replace("ProtectSystem=strict", "ProtectSystem=somewhat");
    std::fs::write(folder.path("broken.service"), broken).unwrap();
    let output = analyze(&["verify", "--man=no", "broken.service"], &folder.path("")).unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("protect system"), "a fault is told: {output:?}");
}

#[test]
fn it_is_hardened() {
    let folder = Folder::new();
    let security = |unit: &str| analyze(&["security", "--offline=true", "--no-pager", "--threshold", MOST_EXPOSED, unit], &folder.path(""));
    let Some(output) = security(&installed(&folder)) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let bare: String = std::fs::read_to_string(UNIT)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("Protect"))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(folder.path("bare.service"), bare).unwrap();
    assert!(!security("bare.service").unwrap().status.success(), "the threshold tells");
}

#[test]
fn systemd_is_told_how_far_it_is() {
    let folder = Folder::with("[server]\nprefix = \"/gate\"\n");
    let socket = UnixDatagram::bind(folder.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let heard = || {
        let mut bytes = [0; 1024];
        let length = socket.recv(&mut bytes).expect("systemd is told");
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let mut command = folder.command(&["serve", "--json"]);
    command.env("NOTIFY_SOCKET", folder.path("notify"));
    let server = Server::start(command);
    let ready = heard();
    assert!(ready.starts_with("READY=1\n") && ready.contains(&format!("STATUS=listening on http://{}", server.address)), "{ready}");
    server.signal("HUP");
    let reloading = heard();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert!(heard().starts_with("READY=1\nSTATUS=the new configuration is in force"));
    folder.rewrite("[server]\nprefix = \"x\"\n");
    server.signal("HUP");
    assert!(heard().starts_with("RELOADING=1\n"));
    let told = heard();
    assert!(told.starts_with("READY=1\n") && told.contains("was not taken"), "it serves on: {told}");
    server.signal("TERM");
    assert_eq!(heard(), "STOPPING=1\n");
    assert_eq!(server.ended().0, Some(0));
}

#[test]
fn who_is_not_there_to_be_told_holds_nothing_up() {
    let folder = Folder::new();
    let mut command = folder.command(&["serve", "--json"]);
    command.env("NOTIFY_SOCKET", folder.path("nobody"));
    let server = Server::start(command);
    let (code, log) = server.stop();
    assert!(code == Some(0) && log.contains("systemd could not be told"), "{log}");
}
