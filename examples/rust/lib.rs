//! The Rust programs in the documents, compiled and run as doctests, so that they stay true.

macro_rules! documents {
    ($($name:ident: $path:literal,)*) => {
        $(#[cfg(doctest)]
        #[doc = include_str!($path)]
        pub struct $name;)*
    };
}

documents! {
    Readme: "../../README.md",
    GettingStarted: "../../docs/getting-started.md",
    ChoosingAStore: "../../docs/choosing-a-store.md",
    Operating: "../../docs/operating.md",
    WritingAStore: "../../docs/writing-a-store.md",
}
