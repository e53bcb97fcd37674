//! A case: one promise, with a name.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::runtime::{Builder, Runtime};

use crate::{Profile, Subject};

/// One promise of the contract, to be shown on a store.
#[derive(Clone, Copy)]
pub struct Case {
    /// Theme and promise, e.g. `retry::the_same_commit_is_answered_with_the_first_result`.
    pub name: &'static str,
    /// What the store must have for it, beyond what every store has.
    pub needs: &'static [Needs],
    pub(crate) body: fn(Arc<dyn Subject>) -> BoxFuture<'static, ()>,
}

/// What a case needs of a store beyond what every store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Global positions.
    Positions,
    /// The data opened again after they were closed.
    Durable,
    /// The data opened twice at once.
    Shared,
    /// Payloads that come back as the text they were.
    PayloadText,
    /// A limit to the events of a commit.
    CommitLimit,
    /// A limit to the length of ids.
    IdLimit,
    /// A limit to the size of payloads.
    PayloadLimit,
}

impl Needs {
    fn missing(self) -> &'static str {
        match self {
            Self::Positions => "the store has no positions",
            Self::Durable => "the store is not durable",
            Self::Shared => "the store is not shared",
            Self::PayloadText => "the subject doesn't keep the text of payloads",
            Self::CommitLimit => "the store has no limit to the events of a commit that is worth reaching",
            Self::IdLimit => "the store has no limit to the length of ids that is worth reaching",
            Self::PayloadLimit => "the store has no limit to the size of payloads that is worth reaching",
        }
    }
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime starts"));

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// The number that an environment variable holds.
pub(crate) fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// What a panic said.
pub(crate) fn why(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned())).unwrap_or_default()
}

impl Case {
    /// Why a subject can't show this case, if it can't.
    pub fn lacks(&self, subject: &Profile) -> Option<&'static str> {
        self.needs.iter().find(|need| !subject.has(**need)).map(|need| need.missing())
    }

    /// Runs the case; why it failed, if it did. A subject that [lacks](Case::lacks) what it needs fails it.
    pub fn run(&self, subject: Arc<dyn Subject>) -> Result<(), String> {
        let seconds = variable("ANNALS_CASE_SECONDS").unwrap_or(120);
        let body = async { tokio::time::timeout(Duration::from_secs(seconds), (self.body)(subject)).await };
        match catch_unwind(AssertUnwindSafe(|| block_on(body))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(format!("not done after {seconds} seconds (ANNALS_CASE_SECONDS): does a call hang?")),
            Err(panic) => Err(why(&*panic)),
        }
    }
}

/// The cases of a theme: `theme!("retry": [] { a_case, another }, [Positions] { a_third })`.
macro_rules! theme {
    ($theme:literal: $($needs:tt { $($case:ident),* $(,)? }),* $(,)?) => {
        pub(crate) fn cases() -> Vec<$crate::Case> {
            #[allow(unused_imports, reason = "a theme may need nothing")]
            use $crate::Needs::*;
            vec![$($($crate::Case {
                name: concat!($theme, "::", stringify!($case)),
                needs: &$needs,
                body: |subject| Box::pin($case(subject)),
            }),*),*]
        }
    };
}
pub(crate) use theme;
