//! Bars over a time, as paths of an SVG: without a script, a style attribute or a picture. They stretch to whatever room there is, so
//! nothing is written in them; what they show stands in the table below.

use std::fmt::Write;

use crate::service::usage_summary::Ends;

/// How wide the place of a bar is, how wide the bar in it, and how high the highest.
const PLACE: usize = 10;
const BAR: usize = 8;
const HEIGHT: f64 = 100.0;
/// What is there at all can be seen.
const LEAST: f64 = 1.0;

/// Bars, each of three parts, one on the other.
#[derive(Debug, PartialEq, Eq)]
pub struct Chart {
    /// How wide it is drawn; it is 100 high.
    pub width: usize,
    /// The paths of the parts, from below.
    pub passed: String,
    /// See above.
    pub refused: String,
    /// See above.
    pub failed: String,
    /// The highest bar.
    pub most: u64,
}

impl Chart {
    /// Draws one bar for each, in their order.
    pub fn of(bars: impl ExactSizeIterator<Item = Ends> + Clone) -> Self {
        let most = bars.clone().map(|ends| ends.total()).max().unwrap_or(0);
        let mut chart = Self { width: bars.len() * PLACE, passed: String::new(), refused: String::new(), failed: String::new(), most };
        for (at, ends) in bars.enumerate() {
            let left = at * PLACE + (PLACE - BAR) / 2;
            let mut foot = HEIGHT;
            for (path, count) in [(&mut chart.passed, ends.passed), (&mut chart.refused, ends.refused), (&mut chart.failed, ends.failed)] {
                if count > 0 {
                    let height = (count as f64 * HEIGHT / most as f64).max(LEAST);
                    foot -= height;
                    // Writing into a text cannot fail.
                    let _ = write!(path, "M{left} {}h{BAR}v{}h-{BAR}z", tenths(foot.max(0.0)), tenths(height));
                }
            }
        }
        chart
    }
}

/// A number with one digit after the point at the most.
fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// How long a bar of a row is, of 100.
pub fn share(part: u64, whole: u64) -> u64 {
    if whole == 0 { 0 } else { (u128::from(part) * 100).div_ceil(u128::from(whole)).min(100) as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_on_each_other() {
        let bars = [Ends::default(), Ends { passed: 3, refused: 1, failed: 0 }, Ends { passed: 2, refused: 0, failed: 0 }];
        let chart = Chart::of(bars.into_iter());
        let expected = Chart {
            width: 30,
            passed: "M11 25h8v75h-8zM21 50h8v50h-8z".into(),
            refused: "M11 0h8v25h-8z".into(),
            failed: String::new(),
            most: 4,
        };
        assert_eq!(chart, expected);
    }

    #[test]
    fn little_is_seen_and_nothing_is_nothing() {
        let of = |passed, refused| Ends { passed, refused, failed: 0 };
        let chart = Chart::of([of(1_000_000, 1), of(1, 0), of(0, 0)].into_iter());
        assert_eq!((chart.passed.as_str(), chart.refused.as_str()), ("M1 0h8v100h-8zM11 99h8v1h-8z", "M1 0h8v1h-8z"));
        let empty = Chart::of([of(0, 0)].into_iter());
        assert_eq!((empty.passed.as_str(), empty.most), ("", 0));
    }

    #[test]
    fn shares_are_of_a_hundred() {
        for (part, whole, told) in [(0, 0, 0), (0, 5, 0), (1, 1000, 1), (5, 10, 50), (7, 7, 100), (9, 7, 100), (u64::MAX, u64::MAX, 100)] {
            assert_eq!(share(part, whole), told);
        }
    }
}
