//! The known name that somebody most likely meant.

/// Of the known names the one most like `name`; `None` where none is known.
pub fn nearest<S: AsRef<str>>(name: &str, known: impl IntoIterator<Item = S>) -> Option<S> {
    let likeness = |other: &S| strsim::jaro_winkler(other.as_ref(), name);
    known.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

/// What follows a message about an unknown name: `; did you mean 'listen'?`.
pub fn hint<S: AsRef<str>>(name: &str, known: impl IntoIterator<Item = S>) -> String {
    nearest(name, known).map(|nearest| format!("; did you mean '{}'?", nearest.as_ref())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_understood() {
        assert_eq!(nearest("listn", ["database", "listen", "prefix"]), Some("listen"));
        assert_eq!(hint("listn", ["database", "listen"]), "; did you mean 'listen'?");
        assert_eq!(hint("listn", [""; 0]), "");
    }
}
