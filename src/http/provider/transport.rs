//! How a provider is spoken to: by tollgate's own client, so that where it leads is checked and what it says is bounded.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use http::HeaderMap;
use http::header::CACHE_CONTROL;
use http_body_util::Full;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

use crate::config::address::Address;
use crate::config::providers::Provider;
use crate::http::outgoing::Client;

/// How long what a provider says of itself is kept, whatever it asks for.
const SHORTEST: Duration = Duration::from_secs(300);
const LONGEST: Duration = Duration::from_secs(86_400);

/// What can go wrong on the way.
#[derive(Debug)]
pub struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

/// The way to a provider.
pub struct Transport {
    client: Client,
    /// Whether what its document names may be spoken to without TLS: only where that is so of the issuer itself.
    allows_plain: bool,
}

impl Transport {
    /// To this provider.
    pub fn new(provider: &Provider) -> Self {
        let allows_plain = provider.allow_private && provider.issuer.starts_with("http://");
        Self { client: Client::new(&provider.authorities, provider.allow_private), allows_plain }
    }

    /// Whether such an address may be spoken to, or people sent there.
    pub fn reaches(&self, url: &str) -> Result<Address, String> {
        let address = Address::parse(url, "https://accounts.example.com/token").map_err(|fault| format!("an address of it {fault}"))?;
        if address.is_https || self.allows_plain { Ok(address) } else { Err("an address of it does not begin with https://".into()) }
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, String> {
        let address = self.reaches(&request.uri().to_string())?;
        let answer = self.client.send(&address, request.map(|body| Full::new(body.into()))).await?;
        let mut response = HttpResponse::new(answer.body?.to_vec());
        (*response.status_mut(), *response.headers_mut()) = (answer.status, answer.headers);
        Ok(response)
    }
}

/// Some requests that belong together, and how long their answers may be kept.
pub struct Talk<'a> {
    transport: &'a Transport,
    kept: Mutex<Duration>,
}

impl<'a> Talk<'a> {
    /// None yet.
    pub fn new(transport: &'a Transport) -> Self {
        Self { transport, kept: Mutex::new(LONGEST) }
    }

    /// How long all that was answered may be kept.
    pub fn kept(&self) -> Duration {
        self.kept.lock().map_or(SHORTEST, |kept| *kept)
    }

    async fn request(&self, request: HttpRequest) -> Result<HttpResponse, Broken> {
        let response = self.transport.send(request).await.map_err(Broken)?;
        if let Ok(mut kept) = self.kept.lock() {
            *kept = (*kept).min(lifetime(response.headers()));
        }
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Talk<'_> {
    type Error = Broken;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Broken>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.request(request))
    }
}

/// How long an answer may be kept (RFC 9111, 5.2.2.1), within our bounds.
fn lifetime(headers: &HeaderMap) -> Duration {
    let lines = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
    let mut directives = lines.flat_map(|line| line.split(',')).map(str::trim);
    let seconds = directives.find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| value.trim_matches('"').parse::<u64>().ok())?
    });
    Duration::from_secs(seconds.unwrap_or_default()).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn how_long_an_answer_is_kept() {
        for (value, seconds) in [
            ("", 300),
            ("no-store", 300),
            ("max-age=0", 300),
            ("max-age=60", 300),
            ("public, max-age=3600, must-revalidate", 3600),
            ("Max-Age=\"7200\"", 7200),
            ("s-maxage=9000, max-age=20000", 20_000),
            ("max-age=99999999", 86_400),
            ("max-age=99999999999999999999999999", 300),
            ("max-age=-1", 300),
            ("max-age", 300),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, HeaderValue::from_str(value).unwrap());
            assert_eq!(lifetime(&headers), Duration::from_secs(seconds), "{value}");
        }
        assert_eq!(lifetime(&HeaderMap::new()), SHORTEST);
    }
}
