//! Bars over a time, as paths of an SVG: without a script, a style attribute or a picture. They stretch to whatever room there is, so
//! nothing is written in them; what they show stands in the table below.

use std::fmt::Write;

use crate::service::usage_summary::Ends;

/// How wide the place of a bar is, and how high the highest bar.
const PLACE: usize = 10;
const HEIGHT: u64 = 200;

/// Bars, each of three parts, one on the other. A part is a line upwards, which the style sheet draws as wide as a bar.
#[derive(Debug, PartialEq, Eq)]
pub struct Chart {
    /// How wide it is drawn; it is 200 high.
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
            let mut foot = HEIGHT;
            let parts = [(&mut chart.passed, ends.passed), (&mut chart.refused, ends.refused), (&mut chart.failed, ends.failed)];
            for (path, count) in parts.into_iter().filter(|(_, count)| *count > 0) {
                let head = foot.saturating_sub(height(count, most));
                // Writing into a text cannot fail.
                let _ = write!(path, "M{} {foot}V{head}", at * PLACE + PLACE / 2);
                foot = head;
            }
        }
        chart
    }
}

/// What is there at all can be seen.
fn height(count: u64, most: u64) -> u64 {
    let height = (u128::from(count) * u128::from(HEIGHT) + u128::from(most) / 2) / u128::from(most.max(1));
    (height as u64).clamp(2, HEIGHT)
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
        let expected =
            Chart { width: 30, passed: "M15 200V50M25 200V100".into(), refused: "M15 50V0".into(), failed: String::new(), most: 4 };
        assert_eq!(chart, expected);
    }

    #[test]
    fn little_is_seen_and_nothing_is_nothing() {
        let of = |passed, refused| Ends { passed, refused, failed: 0 };
        let chart = Chart::of([of(1_000_000, 1), of(1, 0), of(0, 0)].into_iter());
        assert_eq!((chart.passed.as_str(), chart.refused.as_str()), ("M5 200V0M15 200V198", "M5 0V0"));
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
