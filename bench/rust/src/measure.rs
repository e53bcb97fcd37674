//! A case: its alternating rounds and its JSON line.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::Outcome;

/// Whether only a smoke test is wanted.
pub(crate) fn quick() -> bool {
    std::env::var_os("QUICK").is_some_and(|v| !v.is_empty())
}

/// A number for a smoke test, or the real one.
pub(crate) fn sized(quickly: usize, really: usize) -> usize {
    if quick() { quickly } else { really }
}

/// What is measured, and what it should be.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Case {
    pub(crate) store: &'static str,
    pub(crate) api: &'static str,
    pub(crate) case: String,
    pub(crate) unit: &'static str,
    pub(crate) better: &'static str,
    pub(crate) goal: Option<Goal>,
    pub(crate) plot: Option<Plot>,
    pub(crate) theirs_name: String,
}

/// What a figure should be: `of` is `ratio` (ours by theirs) or `ours`.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Goal {
    pub(crate) of: &'static str,
    pub(crate) is: &'static str,
    pub(crate) value: f64,
}

/// Where a case stands in a plot.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Plot {
    pub(crate) title: &'static str,
    pub(crate) x: usize,
    pub(crate) axis: &'static str,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    case: &'a Case,
    ours: Vec<f64>,
    theirs: Option<Vec<f64>>,
}

impl Case {
    /// A case of the Rust API where more is better.
    pub(crate) fn rate(store: &'static str, case: impl Into<String>, unit: &'static str) -> Self {
        Self { store, api: "Rust", case: case.into(), unit, better: "more", ..Self::default() }
    }

    /// A case of the Rust API where less is better.
    pub(crate) fn cost(store: &'static str, case: impl Into<String>, unit: &'static str) -> Self {
        Self { better: "less", ..Self::rate(store, case, unit) }
    }

    /// The same case with a goal for its ratio.
    pub(crate) fn ratio(mut self, is: &'static str, value: f64) -> Self {
        self.goal = Some(Goal { of: "ratio", is, value });
        self
    }

    /// The same case with a goal for our own figure.
    pub(crate) fn alone(mut self, is: &'static str, value: f64) -> Self {
        self.goal = Some(Goal { of: "ours", is, value });
        self
    }

    /// The same case as a point of a plot.
    pub(crate) fn plotted(mut self, title: &'static str, x: usize, axis: &'static str) -> Self {
        self.plot = Some(Plot { title, x, axis });
        self
    }

    /// The same case, naming what it is compared to.
    pub(crate) fn against(mut self, theirs: impl Into<String>) -> Self {
        self.theirs_name = theirs.into();
        self
    }

    /// Measures both in turn, A B A B, after a warm-up.
    pub(crate) fn race(
        self,
        mut ours: impl FnMut() -> Outcome<f64>,
        mut theirs: impl FnMut() -> Outcome<f64>,
    ) -> Outcome {
        for _ in 0..sized(1, 2) {
            ours()?;
            theirs()?;
        }
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..sized(2, 7) {
            a.push(ours()?);
            b.push(theirs()?);
        }
        self.print(a, Some(b))
    }

    /// Prints figures that were measured already.
    pub(crate) fn print(self, ours: Vec<f64>, theirs: Option<Vec<f64>>) -> Outcome {
        eprintln!("  {} · {}", self.store, self.case);
        println!("{}", serde_json::to_string(&Line { case: &self, ours, theirs })?);
        Ok(())
    }
}

/// How often a second something happened.
pub(crate) fn rate(count: usize, work: impl FnOnce() -> Outcome) -> Outcome<f64> {
    Ok(count as f64 / took(work)?.as_secs_f64())
}

/// The microseconds that each of so many took.
pub(crate) fn microseconds(count: usize, work: impl FnOnce() -> Outcome) -> Outcome<f64> {
    Ok(took(work)?.as_secs_f64() * 1e6 / count as f64)
}

fn took(work: impl FnOnce() -> Outcome) -> Outcome<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

/// A number of events, shortly.
pub(crate) fn thousands(n: usize) -> String {
    match n {
        1_000_000 => "1M".to_owned(),
        _ => format!("{}k", n / 1_000),
    }
}
