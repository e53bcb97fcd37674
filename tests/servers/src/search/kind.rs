use std::ops::Range;

/// Which search server, and which of its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SearchKind {
    /// Elasticsearch 5.6, the last one with several mapping types in an index.
    Es5,
    /// Elasticsearch 6.8.
    Es6,
    /// Elasticsearch 7.10, the last one that was free.
    Es7,
    /// OpenSearch 2.19.
    Os2,
    /// OpenSearch 3.8, which needs Java 21.
    Os3,
}

impl SearchKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Es5, Self::Es6, Self::Es7, Self::Os2, Self::Os3];

    /// `es5`, `es6`, `es7`, `os2`, `os3`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es5 => "es5",
            Self::Es6 => "es6",
            Self::Es7 => "es7",
            Self::Os2 => "os2",
            Self::Os3 => "os3",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn is_opensearch(self) -> bool {
        matches!(self, Self::Os2 | Self::Os3)
    }

    /// The class that runs it.
    pub(super) fn runner(self) -> &'static str {
        match self.is_opensearch() {
            true => "org.codelibs.opensearch.runner.OpenSearchRunner",
            false => "org.codelibs.elasticsearch.runner.ElasticsearchClusterRunner",
        }
    }

    /// Its file of settings.
    pub(super) fn settings(self) -> &'static str {
        match self.is_opensearch() {
            true => "opensearch.yml",
            false => "elasticsearch.yml",
        }
    }

    /// The versions of Java it runs on. The older servers need what was taken out of Java 24.
    pub(super) fn java(self) -> Range<u32> {
        match self {
            Self::Os3 => 21..u32::MAX,
            _ => 17..24,
        }
    }
}
