//! `GET /auth/.well-known/jwks.json`: the public keys of access tokens, for apps that check them by themselves (RFC 7517).

use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};

use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};

/// Nothing secret: it may be kept for a while. A key that comes is in here for longer than that before it signs.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// All keys that tokens are checked with; none where they are signed with a secret, or nobody signs in.
pub async fn jwks(call: Call) -> Result<Response, Unreadable> {
    let keys = call.front.services.public_keys();
    let mut response = response::text(StatusCode::OK, "application/jwk-set+json", keys.to_string());
    response.headers_mut().insert(CACHE_CONTROL, CACHED);
    Ok(response)
}
