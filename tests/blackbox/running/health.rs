//! `tollgate health`: what looks after a container is told whether the server is ready.

use crate::support::Folder;

#[test]
fn it_is_zero_while_a_server_is_ready_and_one_otherwise() {
    let folder = Folder::with("[server]\nrequire_https = true\nprefix = \"/gate\"\n");
    let told = |arguments: &[&str]| {
        let output = folder.run(arguments);
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, _, why) = told(&["health"]);
    assert!(code == Some(1) && why.contains("no server runs on the database"), "{why}");
    assert!(!folder.database().exists(), "it makes nothing");
    let server = folder.serve();
    assert_eq!(told(&["health"]), (Some(0), "ready\n".into(), String::new()));
    let (code, json, _) = told(&["health", "--json"]);
    assert!(code == Some(0) && json.contains("\"status\": \"ok\""), "{json}");
    // The server goes on with what it took, whatever is wrong with the file by now.
    for broken in ["[server]\nprefix = 'x'\n", "[server"] {
        folder.rewrite(broken);
        assert_eq!(told(&["health"]).0, Some(0), "{broken}");
        assert_eq!(told(&["validate"]).0, Some(2), "{broken}");
    }
    server.stop();
    assert_eq!(told(&["health"]).0, Some(1));
}

#[test]
fn the_database_is_found_where_the_configuration_says() {
    let folder = Folder::with("[server]\ndatabase = \"here.db\"\n");
    let _server = folder.serve();
    assert_eq!(folder.run(&["health"]).status.code(), Some(0));
    let elsewhere = folder.command(&["health"]).env("TOLLGATE_SERVER__DATABASE", "there.db").output().unwrap();
    assert_eq!(elsewhere.status.code(), Some(1));
}
