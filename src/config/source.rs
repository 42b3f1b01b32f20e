//! Where a configuration comes from: figment lays the file over the defaults, and the environment over both.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use figment::providers::{Env, Format, Toml};
use figment::value::{Dict, Value};
use figment::{Figment, Profile, Provider};

use super::fault::Fault;
use super::secret::Held;

/// What every setting in the environment begins with.
const VARIABLES: &str = "TOLLGATE_";

/// How large a configuration may be.
const LARGEST: u64 = 4 << 20;

/// What stands between the section and the key.
const BETWEEN: &str = "__";

/// The merged values, and where each came from.
pub struct Merged {
    figment: Figment,
    /// The merged settings.
    pub values: Dict,
    /// The built-in settings alone.
    pub defaults: Dict,
    /// Sections of the file that are no tables.
    pub misshapen: Vec<Fault>,
    /// The secrets that were read so far.
    pub secrets: RefCell<Vec<Held>>,
    /// Whether a secret that cannot be read is no fault.
    pub secrets_may_miss: bool,
}

impl Merged {
    /// Reads the defaults, the file and the environment.
    pub fn read(file: Option<&Path>, secrets_may_miss: bool) -> Result<Self, Vec<Fault>> {
        let builtin = Figment::from(Toml::string(super::DEFAULT));
        let defaults = flat(&builtin).map_err(|fault| unreadable("the defaults", &fault))?;
        let mut figment = builtin;
        let mut misshapen = Vec::new();
        if let Some(path) = file {
            let text = text_of(path).map_err(|fault| unreadable(&path.display().to_string(), &fault))?;
            // Told apart from a fault of the environment, and with the line it is in.
            let own = flat(&Figment::from(Toml::string(&text))).map_err(|fault| unreadable(&path.display().to_string(), &fault))?;
            misshapen = check_sections(&own, &defaults, &path.display().to_string());
            figment = figment.merge(Toml::file_exact(path));
        }
        let figment = figment.merge(Env::prefixed(VARIABLES).filter(|name| name.as_str().contains(BETWEEN)).split(BETWEEN));
        let values = flat(&figment).map_err(|fault| unreadable("the environment", &fault))?;
        Ok(Self { figment, values, defaults, misshapen, secrets: RefCell::default(), secrets_may_miss })
    }

    /// Where a value came from: a file, a variable, or the defaults.
    pub fn source(&self, key: &str, value: &Value) -> String {
        let Some(metadata) = self.figment.get_metadata(value.tag()) else { return "built-in default".into() };
        match metadata.source.as_ref().and_then(|source| source.file_path()) {
            Some(path) => path.display().to_string(),
            None if metadata.name.contains("environment") => given_variable(key),
            None => "built-in default".into(),
        }
    }

    /// Whether a value was set by a variable.
    pub fn is_variable(&self, value: &Value) -> bool {
        self.figment.get_metadata(value.tag()).is_some_and(|metadata| metadata.name.contains("environment"))
    }

    /// The text of a variable, letter by letter: figment takes 0123 for a number.
    pub fn raw(&self, key: &str, value: &Value) -> Option<String> {
        std::env::var(variable(key)).ok().filter(|_| self.is_variable(value) && !key.contains('['))
    }
}

/// A file's text. What is no file, or has no end, is not waited for.
fn text_of(path: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(format!("must be a file of at most {LARGEST} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// A section that is no table is told here: the environment laid over it would hide that.
fn check_sections(own: &Dict, defaults: &Dict, source: &str) -> Vec<Fault> {
    let wrong = own
        .iter()
        .filter(|(name, value)| defaults.get(*name).is_some_and(|default| default.as_dict().is_some() && value.as_dict().is_none()));
    wrong.map(|(name, _)| Fault { key: name.clone(), source: source.into(), message: "must be a table".into() }).collect()
}

/// The variable that set a key; of a section, the first that set anything in it.
fn given_variable(key: &str) -> String {
    let name = variable(key);
    let below = format!("{name}{BETWEEN}");
    let mut given: Vec<String> = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|given| given.to_uppercase().starts_with(&below))
        .collect();
    given.sort();
    given.into_iter().next().unwrap_or(name)
}

/// Variables that set nothing because they name no section, or name it with one underscore. What else begins like ours is
/// none of our business.
pub fn near_misses(defaults: &Dict) -> Vec<Fault> {
    let given = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let unsplit =
        given.filter(|name| !name.contains(BETWEEN)).filter_map(|name| Some((name.strip_prefix(VARIABLES)?.to_lowercase(), name)));
    let fault = |(key, source): (String, String)| {
        let meant = defaults.iter().find_map(|(section, keys)| {
            let bare = key.strip_prefix(&format!("{section}_")).unwrap_or(&key);
            keys.as_dict()?.contains_key(bare).then(|| variable(&format!("{section}.{bare}")))
        });
        meant.map(|meant| Fault { key, source, message: format!("there is no such setting; did you mean {meant}?") })
    };
    unsplit.filter_map(fault).collect()
}

/// The variable that sets a key.
fn variable(key: &str) -> String {
    let key = key.split('[').next().unwrap_or(key);
    format!("{VARIABLES}{}", key.to_uppercase().replace('.', "__"))
}

fn flat(figment: &Figment) -> Result<Dict, String> {
    let data = figment.data().map_err(|fault| fault.to_string())?;
    Ok(data.get(&Profile::Default).cloned().unwrap_or_default())
}

fn unreadable(source: &str, fault: &dyn std::fmt::Display) -> Vec<Fault> {
    vec![Fault { key: String::new(), source: source.into(), message: format!("cannot be read: {}", without_excerpt(&fault.to_string())) }]
}

/// What is wrong with a file, and where, but not the line itself: a secret may stand in it.
fn without_excerpt(fault: &str) -> String {
    let is_excerpt = |line: &str| line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').starts_with('|');
    fault.lines().filter(|line| !is_excerpt(line)).collect::<Vec<_>>().join("; ").trim().to_owned()
}

/// The file to read: the one that was named, or `auth.toml` where there is one.
pub fn file(named: Option<&Path>) -> Option<PathBuf> {
    match named {
        Some(path) => Some(path.to_owned()),
        None => Some(PathBuf::from("auth.toml")).filter(|path| path.exists()),
    }
}

/// Where the database is, as far as that can be read: a configuration with faults elsewhere says so, too.
pub fn database(file: Option<&Path>) -> PathBuf {
    let named = |file| {
        let merged = Merged::read(file, true).ok()?;
        let database = merged.values.get("server")?.as_dict()?.get("database")?.as_str()?.to_owned();
        Some(PathBuf::from(database))
    };
    named(file).or_else(|| named(None)).unwrap_or_else(|| PathBuf::from("tollgate.db"))
}
