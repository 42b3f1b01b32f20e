//! `tollgate proxy nginx|caddy`: the configuration of a proxy before tollgate, or of one that asks tollgate about each request,
//! worked out from `auth.toml`.

mod address;
mod caddy;
mod layout;
mod nginx;
mod places;
pub mod words;

use serde_json::json;

use super::Failure;
use super::args::{ProxyArgs, ProxyKind};
use super::output::Output;
use crate::config::Policy;
use layout::Layout;

/// Prints the configuration.
pub fn run(args: &ProxyArgs, policy: &Policy, output: &Output) -> Result<(), Failure> {
    let layout = Layout::of(args, policy).map_err(Failure::Use)?;
    let (proxy, config) = match args.proxy {
        ProxyKind::Nginx => ("nginx", nginx::config(&layout)),
        ProxyKind::Caddy => ("caddy", caddy::config(&layout).map_err(Failure::Use)?),
    };
    output.result(&json!({ "proxy": proxy, "config": config }), || config.clone());
    Ok(())
}

/// What a place in a template stands for: its name, and its lines.
type Filling = (&'static str, Vec<String>);

/// Fills a template. A line that is `%name%` and nothing else becomes as many lines as there are, each as far in; in any other
/// place it is one text. What is filled in is never looked through again.
fn fill(template: &str, fillings: &[Filling]) -> String {
    let of = |name: &str| fillings.iter().find(|(known, _)| *known == name).map(|(_, lines)| lines.as_slice());
    let mut filled = String::new();
    for line in template.lines() {
        let bare = line.trim_start();
        let indent = &line[..line.len() - bare.len()];
        match bare.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')).and_then(of) {
            Some(lines) => lines.iter().for_each(|line| filled.push_str(&format!("{indent}{line}\n"))),
            None => filled.push_str(&format!("{}\n", fill_places(line, of))),
        }
    }
    filled
}

fn fill_places<'f>(line: &str, of: impl Fn(&str) -> Option<&'f [String]>) -> String {
    let parts = line.split('%').enumerate();
    // Every second part is between two signs.
    parts.map(|(at, part)| if at % 2 == 1 { of(part).unwrap_or_default().join(" ") } else { part.to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_once() {
        let fillings = [("host", vec!["%list%".to_owned()]), ("list", vec!["a;".into(), "b;".into()]), ("nothing", Vec::new())];
        let filled = fill("server %host%:80 {\n    %list%\n    %nothing%\n}", &fillings);
        assert_eq!(filled, "server %list%:80 {\n    a;\n    b;\n}\n");
    }
}
