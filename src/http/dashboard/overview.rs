//! What the whole server does: for whoever administrates it.

use askama::Template;
use http::StatusCode;

use super::shell::Shell;
use super::show::page;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    s: Shell,
}

/// `GET PREFIX/admin`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    page(StatusCode::OK, &OverviewPage { s: Shell::of(&call, "admin-overview") })
}
