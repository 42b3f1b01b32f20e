//! The gate as a library, in this process: what is closed or let go of passes nothing, and leaves the database to others.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tollgate::{Gate, Outcome};

/// A folder with a configuration that a gate can be opened on; the process's own folder does not matter.
fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("auth.toml");
    let database = folder.path().join("tollgate.db");
    std::fs::write(&config, format!("[server]\ndatabase = '{}'\n", database.display())).unwrap();
    (folder, config)
}

/// A command, with its stdout.
fn tollgate(config: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tollgate")).arg("--config").arg(config).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn key(config: &Path) -> String {
    let account = tollgate(config, &["account", "create", "--quiet", "--name", "me"]);
    tollgate(config, &["key", "create", "--quiet", "--name", "one", "--account", &account])
}

async fn status(gate: &Gate, key: &str) -> u16 {
    let request = http::Request::get("/x").header("Authorization", format!("Bearer {key}")).body(()).unwrap();
    match gate.check(&request, Some(SocketAddr::from(([127, 0, 0, 1], 1)))).await {
        Outcome::Pass(pass) => {
            assert!(pass.account.starts_with("acc_") && pass.key.starts_with("key_") && pass.plan == "free", "{pass:?}");
            200
        }
        Outcome::Refusal(answer) => answer.status().as_u16(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_closed_passes_nothing() {
    let (_folder, config) = folder();
    let gate = Gate::open(Some(&config)).await.unwrap();
    let key = key(&config);
    let clone = gate.clone();
    assert_eq!(status(&clone, &key).await, 200);
    gate.close().await;
    assert_eq!(status(&clone, &key).await, 503, "a clone is the same gate");
    // Others may have the database now, while the clone is still there.
    tollgate(&config, &["key", "list"]);
    let next = Gate::open(Some(&config)).await.unwrap();
    assert_eq!(status(&next, &key).await, 200);
    assert_eq!(status(&clone, &key).await, 503);
    next.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_lets_go_of_the_database_and_only_then() {
    let (_folder, config) = folder();
    let gate = Gate::open(Some(&config)).await.unwrap();
    let clone = gate.clone();
    let key = key(&config);
    drop(gate);
    assert_eq!(status(&clone, &key).await, 200, "one is still there");
    let taken = Gate::open(Some(&config)).await.unwrap_err().to_string();
    assert!(taken.contains("another gate or server has the database"), "{taken}");
    drop(clone);
    // Whatever was under way ends within moments.
    let mut next = Gate::open(Some(&config)).await;
    for _ in 0..500 {
        if next.is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        next = Gate::open(Some(&config)).await;
    }
    let next = next.unwrap();
    assert_eq!(status(&next, &key).await, 200);
    next.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_configuration_is_taken_whole_or_not_at_all() {
    let (_folder, config) = folder();
    let gate = Gate::open(Some(&config)).await.unwrap();
    let key = key(&config);
    let clone = gate.clone();
    assert_eq!(status(&clone, &key).await, 200);
    let sound = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{sound}prefix = 'x'\n[keyz]\n")).unwrap();
    let told = gate.reload().await.unwrap_err().to_string();
    assert!(told.contains("server.prefix") && told.contains("keyz") && told.lines().count() == 2, "{told}");
    assert_eq!(status(&clone, &key).await, 200);
    std::fs::write(&config, format!("{sound}[keys]\ncarriers = ['header:api-key']\n")).unwrap();
    gate.reload().await.unwrap();
    assert_eq!(status(&clone, &key).await, 401, "a clone is the same gate");
    // Several at once, and at the end: the last one holds, and one that is closed stays closed.
    std::fs::write(&config, &sound).unwrap();
    let (one, two, three) = tokio::join!(gate.reload(), clone.reload(), gate.reload());
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(status(&clone, &key).await, 200);
    gate.close().await;
    assert!(clone.reload().await.is_err());
    assert_eq!(status(&clone, &key).await, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_told_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("auth.toml");
    std::fs::write(&config, "[server]\nlisten = 5\n[keyz]\n").unwrap();
    let told = Gate::open(Some(&config)).await.unwrap_err().to_string();
    assert!(told.contains("server.listen") && told.contains("keyz") && told.lines().count() == 2, "{told}");
}
