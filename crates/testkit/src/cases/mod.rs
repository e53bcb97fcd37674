//! The cases, one file for each theme.

mod commit;
mod expected;
mod ids;
mod lifecycle;
mod outbox;
mod payload;
mod position;
mod races;
mod random;
mod read;
mod retry;
mod snapshot;

use crate::Case;

/// Every case of the kit.
pub fn cases() -> Vec<Case> {
    let themes = [
        commit::cases(),
        expected::cases(),
        retry::cases(),
        races::cases(),
        read::cases(),
        position::cases(),
        outbox::cases(),
        snapshot::cases(),
        ids::cases(),
        payload::cases(),
        lifecycle::cases(),
        random::cases(),
    ];
    themes.concat()
}
