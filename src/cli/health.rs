//! `tollgate health`: whether the running server is ready, for whoever looks after a container.

use std::path::Path;
use std::time::Duration;

use http::Method;

use super::Failure;
use super::client::Client;
use super::output::Output;
use crate::app::connect;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the server that has this database. Its own configuration may have faults by now: the server goes on with the one it took.
pub async fn run(database: &Path, output: &Output) -> Result<(), Failure> {
    let asking = async {
        let stream = connect(database).await?;
        let stream = stream.ok_or_else(|| Failure::Failed(format!("no server runs on the database {}", database.display())))?;
        Client::over(stream).await?.call(Method::GET, "/ready", None).await
    };
    let late = |_| Failure::Failed(format!("the server did not answer within {} s", PATIENCE.as_secs()));
    let answer = tokio::time::timeout(PATIENCE, asking).await.map_err(late)??;
    output.result(&answer, || "ready".to_owned());
    Ok(())
}
