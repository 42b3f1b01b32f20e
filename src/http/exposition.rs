//! Writes Prometheus' text format, version 0.0.4. By hand: it is four shapes of line, while `prometheus-client` would want its own
//! histograms, which lock, or a collector around each number of ours.

use std::fmt::{Display, Write};

use crate::measure::{BUCKETS, Histogram};

/// What the text is, for `Content-Type`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text, as far as it is written. Every name, label and value is the program's own: nothing needs to be escaped.
#[derive(Default)]
pub struct Exposition(String);

impl Exposition {
    /// A number that only grows; its name ends in `_total`, or in what it counts from the start.
    pub fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "counter");
        self.line(name, "", value);
    }

    /// The same by a label.
    pub fn counters<V: Display>(&mut self, name: &str, help: &str, label: &str, values: impl IntoIterator<Item = (&'static str, V)>) {
        self.head(name, help, "counter");
        self.lines(name, label, values);
    }

    /// A number as it stands now.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "gauge");
        self.line(name, "", value);
    }

    /// The same, where it could be found out.
    pub fn gauge_if_known(&mut self, name: &str, help: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.gauge(name, help, value);
        }
    }

    /// The same by a label.
    pub fn gauges<V: Display>(&mut self, name: &str, help: &str, label: &str, values: impl IntoIterator<Item = (&'static str, V)>) {
        self.head(name, help, "gauge");
        self.lines(name, label, values);
    }

    /// Times, in seconds.
    pub fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, help, "histogram");
        self.times(name, "", histogram);
    }

    /// The same by a label.
    pub fn histograms<'h>(&mut self, name: &str, help: &str, label: &str, all: impl IntoIterator<Item = (&'static str, &'h Histogram)>) {
        self.head(name, help, "histogram");
        for (value, histogram) in all {
            self.times(name, &format!("{label}=\"{value}\""), histogram);
        }
    }

    /// The whole of it.
    pub fn into_text(self) -> String {
        self.0
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn lines<V: Display>(&mut self, name: &str, label: &str, values: impl IntoIterator<Item = (&'static str, V)>) {
        for (of, value) in values {
            self.line(name, &format!("{label}=\"{of}\""), value);
        }
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        match labels {
            "" => self.write(format_args!("{name} {value}\n")),
            labels => self.write(format_args!("{name}{{{labels}}} {value}\n")),
        }
    }

    fn times(&mut self, name: &str, labels: &str, histogram: &Histogram) {
        let (counts, sum) = histogram.read();
        let (bucket, comma) = (format!("{name}_bucket"), if labels.is_empty() { "" } else { "," });
        for (end, count) in BUCKETS.iter().zip(counts) {
            let end = *end as f64 / 1e6;
            self.line(&bucket, &format!("{labels}{comma}le=\"{end}\""), count);
        }
        let all = counts[BUCKETS.len()];
        self.line(&bucket, &format!("{labels}{comma}le=\"+Inf\""), all);
        self.line(&format!("{name}_sum"), labels, sum.as_secs_f64());
        self.line(&format!("{name}_count"), labels, all);
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // A string takes whatever it is given.
        let _ = self.0.write_fmt(text);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lines_are_as_prometheus_wants_them() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(2));
        histogram.observe(Duration::from_secs(20));
        let mut text = Exposition::default();
        text.counters("a_total", "How many.", "kind", [("one", 1), ("two", 2)]);
        text.gauge("b_bytes", "How large.", 5);
        text.gauge_if_known("c", "Not known.", None::<u64>);
        text.histograms("d_seconds", "How long.", "kind", [("x", &histogram)]);
        let text = text.into_text();
        for lines in [
            "# HELP a_total How many.\n# TYPE a_total counter\na_total{kind=\"one\"} 1\na_total{kind=\"two\"} 2\n",
            "# TYPE b_bytes gauge\nb_bytes 5\n",
            "d_seconds_bucket{kind=\"x\",le=\"0.00005\"} 0\n",
            "d_seconds_bucket{kind=\"x\",le=\"0.0025\"} 1\n",
            "d_seconds_bucket{kind=\"x\",le=\"10\"} 1\nd_seconds_bucket{kind=\"x\",le=\"+Inf\"} 2\n",
            "d_seconds_sum{kind=\"x\"} 20.002\nd_seconds_count{kind=\"x\"} 2\n",
        ] {
            assert!(text.contains(lines), "{lines} stands in {text}");
        }
        assert!(!text.contains(" c "), "{text}");
    }
}
