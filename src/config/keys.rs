//! `[keys]`.

use std::sync::Arc;

use super::reader::Table;
use crate::domain::caller::Caller;
use crate::domain::carrier::Carrier;
use crate::domain::key::{Alphabet, Environment, Environments, LEAST_RANDOM_BITS, LONGEST};
use crate::domain::limit::{Count, MOST};
use crate::domain::plan::Plans;
use crate::domain::{scope, token};

/// The settings of keys.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// Where a credential may be, in order.
    pub carriers: Vec<Carrier>,
    /// What a key may do that was made without scopes.
    pub default_scopes: Vec<String>,
    /// What a key can be.
    pub environments: Environments,
    /// What a developer may choose for a limit.
    pub ranges: Vec<Range>,
    /// The plan of callers without a credential, by name.
    anonymous: String,
}

/// What a developer may choose for one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The limit.
    pub name: String,
    /// At least.
    pub minimum: u64,
    /// At most.
    pub maximum: u64,
    /// What a new key gets where nobody says; without it, the plan's.
    pub default: Option<u64>,
}

pub(super) fn read(table: Table<'_>, limits: Option<&[Arc<str>]>) -> Option<KeySettings> {
    let carriers = table.all_parsed("carriers", Carrier::parse);
    if carriers.as_ref().is_some_and(Vec::is_empty) {
        table.fault("carriers", "names no carrier, so no request could carry a key");
    }
    let earlier = |index: usize, carrier: &Carrier| carriers.iter().flatten().take(index).any(|other| other == carrier);
    for (index, carrier) in carriers.iter().flatten().enumerate().filter(|(index, carrier)| earlier(*index, carrier)) {
        table.fault_below(&format!("carriers[{index}]"), format!("'{carrier}' is there twice"));
    }
    let default_scopes =
        table.all_parsed(
            "default_scopes",
            |text| if scope::is_valid(text) { Ok(text.to_owned()) } else { Err(format!("'{text}' is no scope")) },
        );
    let environments = environments(&table);
    let ranges = ranges(&table, limits);
    let anonymous = table.text("anonymous");
    table.finish();
    Some(KeySettings {
        carriers: carriers?,
        default_scopes: default_scopes?,
        environments: environments?,
        ranges: ranges?,
        anonymous: anonymous?,
    })
}

/// The plan for anonymous callers: outer `None` where it is wrong, inner where there is none.
pub(super) fn anonymous(table: &Table<'_>, keys: &KeySettings, plans: &Plans) -> Option<Option<Arc<Caller>>> {
    if keys.anonymous.is_empty() {
        return Some(None);
    }
    let Some(plan) = plans.named(&keys.anonymous) else {
        table.fault("anonymous", format!("there is no plan '{}'", keys.anonymous));
        return None;
    };
    if plan.needs_balance || !plan.api {
        table.fault(
            "anonymous",
            format!("the plan '{}' cannot be for anonymous callers: it needs a balance or has no API access", plan.name),
        );
    }
    if let Some(limit) = plan.limits.iter().find(|limit| limit.count != Count::Address) {
        table.fault(
            "anonymous",
            format!(
                "the limit '{}' of plan '{}' must have count = \"address\": anonymous callers have no key and no account",
                limit.name, plan.name
            ),
        );
    }
    Some(Some(Arc::new(Caller::anonymous(plan.clone()))))
}

fn environments(table: &Table<'_>) -> Option<Environments> {
    let tables = table.tables("environments")?;
    let read: Vec<Option<Environment>> = tables.into_iter().map(environment).collect();
    let all: Vec<Environment> = read.into_iter().collect::<Option<_>>()?;
    for (index, environment) in all.iter().enumerate() {
        if all[..index].iter().any(|other| other.name == environment.name) {
            table.fault_below(&format!("environments[{index}].name"), format!("there are two environments '{}'", environment.name));
        }
        if all[..index].iter().any(|other| other.prefix == environment.prefix && other.reserved != environment.reserved) {
            table.fault_below(&format!("environments[{index}].prefix"), "a reserved environment cannot share its prefix with another");
        }
    }
    for (index, reserved) in all.iter().enumerate().filter(|(_, environment)| environment.reserved) {
        let swallows = |live: &&Environment| {
            !live.reserved
                && reserved.prefix.strip_prefix(live.prefix.as_str()).is_some_and(|rest| !rest.is_empty() && live.alphabet.spells(rest))
        };
        if let Some(live) = all.iter().find(swallows) {
            table.fault_below(&format!("environments[{index}].prefix"), format!("some keys of '{}' begin with it by chance, and would never authenticate: write a letter into it that those keys do not have", live.name));
        }
    }
    if all.iter().all(|environment| environment.reserved) {
        table.fault("environments", "needs one environment that is not reserved");
    }
    Some(Environments::new(all))
}

fn environment(table: Table<'_>) -> Option<Environment> {
    let name = required(&table, "name", table.parsed("name", word));
    let prefix = required(&table, "prefix", table.parsed("prefix", key_prefix));
    let length = required(&table, "length", table.number("length", 16..=LONGEST as u64));
    let alphabet =
        if table.text("alphabet").is_some() { table.parsed("alphabet", Alphabet::parse) } else { Alphabet::parse("base62").ok() };
    let checksum = table.flag("checksum").unwrap_or(true);
    let (reserved, imported) = (table.flag("reserved").unwrap_or(false), table.flag("imported").unwrap_or(false));
    table.finish();
    let environment =
        Environment { name: name?, prefix: prefix?, length: length? as usize, alphabet: alphabet?, checksum, reserved, imported };
    if !reserved && environment.random_letters() > 0 && environment.random_bits() < LEAST_RANDOM_BITS {
        let bits = environment.random_bits() as u64;
        table.fault("length", format!("leaves {bits} random bits, and a key needs 128: make it longer"));
    }
    if environment.random_letters() == 0 {
        table.fault("length", "leaves no room after the prefix and the checksum: make it longer");
    }
    Some(environment)
}

fn ranges(table: &Table<'_>, limits: Option<&[Arc<str>]>) -> Option<Vec<Range>> {
    let read: Vec<Option<Range>> = table.tables("limits")?.into_iter().map(|table| range(table, limits)).collect();
    let ranges: Vec<Range> = read.into_iter().collect::<Option<_>>()?;
    let earlier = |index: usize, range: &Range| ranges[..index].iter().any(|other| other.name == range.name);
    for (index, range) in ranges.iter().enumerate().filter(|(index, range)| earlier(*index, range)) {
        table.fault_below(&format!("limits[{index}].name"), format!("there are two ranges for the limit '{}'", range.name));
    }
    Some(ranges)
}

fn range(table: Table<'_>, limits: Option<&[Arc<str>]>) -> Option<Range> {
    let name = required(&table, "name", table.text("name"));
    let minimum = table.number("minimum", 1..=MOST).unwrap_or(1);
    let maximum = required(&table, "maximum", table.number("maximum", 1..=MOST));
    let default = table.number("default", 1..=MOST);
    table.finish();
    let range = Range { name: name?, minimum, maximum: maximum?, default };
    if limits.is_some_and(|limits| !limits.iter().any(|known| **known == *range.name)) {
        table.fault("name", format!("no plan has a limit '{}'", range.name));
    }
    if range.minimum > range.maximum || range.default.is_some_and(|default| !(range.minimum..=range.maximum).contains(&default)) {
        table.fault("", "the minimum, the default and the maximum must be in this order");
    }
    Some(range)
}

/// A field without a default.
pub(super) fn required<T>(table: &Table<'_>, name: &'static str, value: Option<T>) -> Option<T> {
    if value.is_none() {
        table.missing(name);
    }
    value
}

/// A name: letters, digits, `-` and `_`.
pub(super) fn word(text: &str) -> Result<String, String> {
    let sound = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if sound { Ok(text.into()) } else { Err(format!("'{text}' is no name: write letters, digits, - and _")) }
}

fn key_prefix(text: &str) -> Result<String, String> {
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)) || text.len() > 64 {
        return Err(format!("'{text}' is no prefix: write letters, digits and - . _ ~"));
    }
    if text.starts_with(token::PREFIX) { Err(format!("'{}' is for service tokens", token::PREFIX)) } else { Ok(text.into()) }
}
