//! A `User-Agent` in words, as far as that can be told: which browser, on what.

/// Which browser; one that calls itself several is the first of these.
const BROWSERS: [(&str, &str); 8] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
];

/// On what.
const SYSTEMS: [(&str, &str); 7] = [
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// How much of another program's name is shown.
const LONGEST: usize = 40;

/// The browser, or what another program calls itself, and the system; empty where nothing is told.
pub fn named(agent: &str) -> (&str, &'static str) {
    let of = |known: &[(&str, &'static str)]| known.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    let itself = || agent.split([' ', '/']).next().unwrap_or_default();
    let cut = |name: &str| name.char_indices().nth(LONGEST).map_or(name.len(), |(at, _)| at);
    let name = of(&BROWSERS).unwrap_or_else(|| {
        let name = itself();
        &name[..cut(name)]
    });
    (name, of(&SYSTEMS).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_in_words() {
        let long = "ü".repeat(200);
        for (agent, name, system) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox", "Linux"),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge", "Windows"),
            ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome", "Android"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/18 Safari/605", "Safari", "macOS"),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 CriOS/140 Safari/604", "Chrome", "iPhone"),
            ("curl/8.14.1", "curl", ""),
            ("", "", ""),
            (long.as_str(), &long[..80], ""),
        ] {
            assert_eq!(named(agent), (name, system), "{agent}");
        }
    }
}
