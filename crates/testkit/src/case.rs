//! A case: one promise, with a name.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use futures::future::BoxFuture;
use tokio::runtime::{Builder, Runtime};

use crate::Subject;

/// One promise of the contract, to be shown on a store.
#[derive(Clone, Copy)]
pub struct Case {
    /// Theme and promise, e.g. `retry::the_same_commit_is_answered_with_the_first_result`.
    pub name: &'static str,
    /// What the store must have for it.
    pub needs: Needs,
    pub(crate) body: fn(Arc<dyn Subject>) -> BoxFuture<'static, ()>,
}

/// What a case needs of a store beyond the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: every store passes it.
    Nothing,
    /// Global positions.
    Positions,
    /// The same data opened more than once.
    Again,
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime starts"));

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

impl Case {
    /// Runs the case; why it failed, if it did.
    pub fn run(&self, subject: Arc<dyn Subject>) -> Result<(), String> {
        catch_unwind(AssertUnwindSafe(|| block_on((self.body)(subject)))).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned())).unwrap_or_default()
        })
    }
}

/// The cases of a theme: `theme!("retry": Nothing { a_case, another }, Positions { a_third })`.
macro_rules! theme {
    ($theme:literal: $($needs:ident { $($case:ident),* $(,)? }),* $(,)?) => {
        pub(crate) fn cases() -> Vec<$crate::Case> {
            vec![$($($crate::Case {
                name: concat!($theme, "::", stringify!($case)),
                needs: $crate::Needs::$needs,
                body: |subject| Box::pin($case(subject)),
            }),*),*]
        }
    };
}
pub(crate) use theme;
