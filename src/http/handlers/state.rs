//! `GET /v1/state`, at the control socket alone: what a running server says of itself and its database.

use http::StatusCode;
use serde_json::json;

use crate::domain::time::Timestamp;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::server::files_each;

/// Where it listens, since when, on which configuration, how many files it may open, and what a connection of its own says of the database.
pub async fn state(call: Call) -> Result<Response, Unreadable> {
    let database = call.front.services.database_state().await?;
    let (policy, serving) = (&call.front.services.policy, call.front.services.serving.get());
    Ok(response::json(
        StatusCode::OK,
        &json!({
            "version": env!("CARGO_PKG_VERSION"),
            "listening": serving.map(|serving| &serving.address),
            "since": serving.map(|serving| serving.since.rfc3339_millis()),
            "prefix": policy.server.prefix,
            "max_connections": policy.server.max_connections,
            // As it raised its own bound when it started.
            "open_files": rlimit::Resource::NOFILE.get_soft().ok(),
            "files_each": files_each(policy),
            "configuration": policy.digests,
            "configured_at": call.front.services.configured_at.rfc3339_millis(),
            "waits_for_restart": policy.waits,
            "database": {
                "schema": database.schema,
                "journal_mode": database.journal_mode,
                "synchronous": database.synchronous,
                "bytes": database.bytes,
                "newest": database.newest.map(Timestamp::rfc3339_millis),
            },
        }),
    ))
}
