//! Words of a printed configuration that advice about it shares.

/// `x-auth-key` → `X-Auth-Key`: Caddy's placeholders know headers by this name alone.
pub fn written(name: &str) -> String {
    let word = |word: &str| word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect::<String>();
    name.to_ascii_lowercase().split('-').map(word).collect::<Vec<_>>().join("-")
}

/// nginx keeps what tollgate told.
pub fn learn(name: &str) -> String {
    format!("auth_request_set {} $upstream_http_{};", variable(name), folded(name))
}

/// nginx tells the app of it.
pub fn tell(name: &str) -> String {
    format!("proxy_set_header {name} {};", variable(name))
}

/// nginx tells the client of it.
pub fn add(name: &str) -> String {
    format!("add_header {name} {} always;", variable(name))
}

fn variable(name: &str) -> String {
    format!("$tollgate_told_{}", folded(name))
}

/// As nginx names a header in its variables.
fn folded(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}
