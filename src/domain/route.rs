//! Routes: what one path and method asks of a caller.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use http::Method;
use smallvec::SmallVec;

/// One route as configured.
#[derive(Clone, Debug, Default)]
pub struct Route {
    /// `/v1/sets`, `/v1/sets/*` (any one segment), `/v1/partner/**` (that path and all below).
    pub path: String,
    /// The methods it holds for; none given: all. `GET` holds for `HEAD` too.
    pub methods: Vec<Method>,
    /// Needs no credential, charges nothing.
    pub open: bool,
    /// One of these plans; none given: any.
    pub plans: Vec<String>,
    /// All of these scopes.
    pub scopes: Vec<String>,
    /// What a request draws from each limit in requests.
    pub cost: u64,
    /// What it costs in tokens.
    pub tokens: u64,
    /// The limits it draws on; none given: all.
    pub limits: Option<Vec<String>>,
}

/// Every route, ready to match. A path that no route matches needs a credential and costs 1.
#[derive(Clone, Debug)]
pub struct Routes {
    /// As configured.
    all: Vec<Arc<Route>>,
    by_method: BTreeMap<String, Tree>,
    /// For methods that no route names.
    any: Tree,
    fallback: Arc<Route>,
    ignore_case: bool,
}

impl Routes {
    /// Compiles them; answers every fault with the index of its route. `ignore_case`: the app takes `/Admin` for `/admin`.
    pub fn new(mut routes: Vec<Route>, ignore_case: bool) -> Result<Self, Vec<(usize, String)>> {
        if ignore_case {
            routes.iter_mut().for_each(|route| route.path.make_ascii_lowercase());
        }
        let fallback = Arc::new(Route { cost: 1, ..Route::default() });
        let named = routes.iter().flat_map(|route| &route.methods).map(|method| method.as_str().to_owned());
        let mut by_method: BTreeMap<_, _> = named.map(|method| (method, Tree::default())).collect();
        let mut any = Tree::default();
        let mut faults = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            faults.extend(check_pattern(&route.path).err().map(|fault| (index, fault)));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let all: Vec<Arc<Route>> = routes.into_iter().map(Arc::new).collect();
        let (everywhere, of_methods): (Vec<_>, Vec<_>) = all.iter().cloned().enumerate().partition(|(_, route)| route.methods.is_empty());
        // Those that name the method come first: where one of all methods has the same path, it stands back.
        for (index, route) in of_methods {
            let fault = route.methods.iter().find_map(|method| by_method.get_mut(method.as_str())?.insert(&route).err());
            faults.extend(fault.map(|fault| (index, fault)));
        }
        // What holds for GET holds for HEAD, except where a route names HEAD itself.
        if let (Some(get), Some(head)) = (by_method.get("GET").cloned(), by_method.get_mut("HEAD")) {
            head.lay_under(get);
        }
        for (index, route) in everywhere {
            let fault = by_method.values_mut().chain([&mut any]).find_map(|tree| tree.insert(&route).err());
            faults.extend(fault.map(|fault| (index, fault)));
        }
        if faults.is_empty() { Ok(Self { all, by_method, any, fallback, ignore_case }) } else { Err(faults) }
    }

    /// In the order of the config.
    pub fn all(&self) -> &[Arc<Route>] {
        &self.all
    }

    /// The scopes that they need, each once, in the order of the alphabet.
    pub fn scopes(&self) -> BTreeSet<&str> {
        self.all.iter().flat_map(|route| &route.scopes).map(String::as_str).collect()
    }

    /// The route of a normalised path: the most specific one that holds for this method.
    pub fn of(&self, method: &str, path: &str) -> &Arc<Route> {
        let method = if method == "HEAD" && !self.by_method.contains_key("HEAD") { "GET" } else { method };
        let tree = self.by_method.get(method).unwrap_or(&self.any);
        let folded = self.ignore_case.then(|| path.to_ascii_lowercase());
        let segments: SmallVec<[&str; 16]> = segments(folded.as_deref().unwrap_or(path)).collect();
        tree.find(&segments).unwrap_or(&self.fallback)
    }
}

/// The segments of a path. With and without a slash at its end, a path is the same to most apps, so it is the same route.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    inner.split('/').filter(move |_| !inner.is_empty())
}

/// The routes of one method, a level for each segment.
#[derive(Clone, Debug, Default)]
struct Tree {
    here: Option<Arc<Route>>,
    /// That path and all below.
    below: Option<Arc<Route>>,
    named: HashMap<String, Tree>,
    /// Any one segment.
    any: Option<Box<Tree>>,
}

impl Tree {
    /// The most specific route: what is named goes before any segment, and that before all below.
    fn find(&self, segments: &[&str]) -> Option<&Arc<Route>> {
        let Some((first, rest)) = segments.split_first() else { return self.here.as_ref().or(self.below.as_ref()) };
        let named = || self.named.get(*first).and_then(|tree| tree.find(rest));
        let any = || self.any.as_ref().and_then(|tree| tree.find(rest));
        named().or_else(any).or(self.below.as_ref())
    }

    /// Takes over every route of another tree whose place is free.
    fn lay_under(&mut self, other: Tree) {
        self.here = self.here.take().or(other.here);
        self.below = self.below.take().or(other.below);
        for (name, tree) in other.named {
            self.named.entry(name).or_default().lay_under(tree);
        }
        if let Some(tree) = other.any {
            self.any.get_or_insert_default().lay_under(*tree);
        }
    }

    /// Adds a route. Where one of all methods has the same path as one that names its methods, it stands back.
    fn insert(&mut self, route: &Arc<Route>) -> Result<(), String> {
        let (path, below) = match route.path.strip_suffix("/**") {
            Some(stem) => (stem, true),
            None => (route.path.as_str(), false),
        };
        let mut tree = self;
        for segment in segments(path) {
            tree = match segment {
                "*" => tree.any.get_or_insert_default(),
                named => tree.named.entry(named.to_owned()).or_default(),
            };
        }
        let place = if below { &mut tree.below } else { &mut tree.here };
        match place {
            None => *place = Some(route.clone()),
            Some(other) if !other.methods.is_empty() && route.methods.is_empty() => {}
            Some(_) => return Err("another route has the same path and method".into()),
        }
        Ok(())
    }
}

/// Checks a path pattern: `*` is one segment, `**` at the end is the path itself and all below.
fn check_pattern(path: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("'{path}' is no path pattern: {why}"));
    if !path.starts_with('/') {
        return wrong("it begins with '/'");
    }
    let stem = path.strip_suffix("/**").unwrap_or(path);
    for segment in segments(stem) {
        match segment {
            "*" => {}
            "" | "." | ".." => return wrong("it holds an empty or dot segment"),
            _ if segment.contains(['*', '%', '?', '#', '\\', ';']) || segment.contains(char::is_control) => {
                return wrong(
                    "'*' stands for a whole segment, '**' for all below and only at the end; other characters are written as they are, not encoded",
                );
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str, methods: &[&str], cost: u64) -> Route {
        let methods = methods.iter().map(|method| method.parse().unwrap()).collect();
        Route { path: path.into(), methods, cost, ..Route::default() }
    }

    #[test]
    fn the_most_specific_route_of_the_method_holds() {
        let routes = Routes::new(
            vec![
                route("/v1/**", &[], 2),
                route("/v1/sets/*", &[], 3),
                route("/v1/sets/all", &["GET"], 4),
                route("/v1/sets/all", &["POST"], 5),
                route("/v1/sets/all", &[], 8),
                route("/v1/partner/**", &[], 6),
                route("/brace/{x}", &[], 7),
                route("/all/**", &[], 10),
                route("/all/*", &[], 11),
            ],
            false,
        )
        .unwrap();
        for (method, path, cost) in [
            ("GET", "/", 1),
            ("GET", "/v2/x", 1),
            ("GET", "/v1", 2),
            ("GET", "/v1/", 2),
            ("GET", "/v1/other/deep", 2),
            ("GET", "/v1/sets/17", 3),
            ("GET", "/v1/sets/17/", 3),
            ("GET", "/v1/sets/17/cards", 2),
            ("GET", "/v1/sets/all", 4),
            ("HEAD", "/v1/sets/all", 4),
            ("POST", "/v1/sets/all", 5),
            ("PUT", "/v1/sets/all", 8),
            ("BREW", "/v1/partner", 6),
            ("GET", "/v1/partner/", 6),
            ("GET", "/v1/partner/deep/er", 6),
            ("GET", "/v1/partnership", 2),
            ("GET", "/brace/{x}", 7),
            ("GET", "/all", 10),
            ("GET", "/all/one", 11),
            ("GET", "/all/one/two", 10),
        ] {
            assert_eq!(routes.of(method, path).cost, cost, "{method} {path}");
        }
    }

    #[test]
    fn a_pattern_for_everything_holds_for_the_root_too() {
        let routes = Routes::new(vec![route("/**", &[], 9)], false).unwrap();
        assert_eq!(routes.of("GET", "/").cost, 9);
        assert_eq!(routes.of("GET", "/a/b").cost, 9);
    }

    #[test]
    fn what_holds_for_get_holds_for_head_also_beside_a_route_of_head() {
        let routes = Routes::new(
            vec![
                route("/a", &["GET"], 2),
                route("/b", &["GET"], 3),
                route("/b", &["HEAD"], 4),
                route("/c/*", &["GET"], 5),
                route("/c/**", &[], 6),
            ],
            false,
        )
        .unwrap();
        for (path, cost) in [("/a", 2), ("/b", 4), ("/c/x", 5), ("/c/x/y", 6), ("/d", 1)] {
            assert_eq!(routes.of("HEAD", path).cost, cost, "{path}");
        }
    }

    #[test]
    fn patterns_are_checked() {
        for wrong in ["", "v1", "/v1/*.json", "/v1/**/x", "/v1//x", "/a/../b", "/a%20b"] {
            assert!(Routes::new(vec![route(wrong, &[], 1)], false).is_err(), "{wrong}");
        }
        let faults = Routes::new(vec![route("/a", &[], 1), route("/a/", &[], 1)], false).unwrap_err();
        assert_eq!(faults[0].0, 1, "the second of two that clash is named");
    }

    #[test]
    fn case_counts_unless_it_is_ignored() {
        let cost = |ignore_case, path| Routes::new(vec![route("/Admin/*", &[], 7)], ignore_case).unwrap().of("GET", path).cost;
        for (ignore_case, path, wanted) in
            [(false, "/Admin/x", 7), (false, "/admin/x", 1), (true, "/admin/X", 7), (true, "/ADMIN/x", 7), (true, "/other/x", 1)]
        {
            assert_eq!(cost(ignore_case, path), wanted, "{ignore_case} {path}");
        }
    }
}
