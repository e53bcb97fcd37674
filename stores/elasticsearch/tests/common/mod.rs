//! The servers that a test process shares, stores in them, and what tests do with them.
#![allow(
    unreachable_pub,
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each test uses a part of it"
)]

use std::sync::{Arc, Mutex, Weak};

use annals_core::{DynStore, Result};
use annals_elasticsearch::{ElasticConfig, ElasticStore, HttpTransport, Method, Request, Transport as _};
use annals_test_servers::{SearchKind, SearchServer};
pub use annals_testkit::tools::*;
use annals_testkit::{Opened, Subject};

/// The kinds of servers that tests run on: three of them, or those that `ANNALS_SEARCH_SERVERS` names (`all`, `es5,os3`).
pub fn kinds() -> Vec<SearchKind> {
    let names = std::env::var("ANNALS_SEARCH_SERVERS").unwrap_or_default();
    match &*names {
        "" => vec![SearchKind::Es5, SearchKind::Es7, SearchKind::Os3],
        "all" => SearchKind::ALL.into(),
        names => {
            names.split(',').map(|name| SearchKind::named(name).expect("es5, es6, es7, os2, os3 or all")).collect()
        }
    }
}

/// A new store's configuration on the shared server of a kind.
pub async fn config(kind: SearchKind) -> ElasticConfig {
    let server = SearchServer::shared(kind).await;
    let mut config = ElasticConfig::new(server.url()).index_name(server.name());
    config.replicas = Some(0);
    config
}

pub async fn open(config: &ElasticConfig) -> ElasticStore {
    ElasticStore::open(config.clone()).await.expect("the store opens")
}

/// Sends a request past the store.
pub async fn ask(config: &ElasticConfig, method: Method, path: &str, body: Option<&str>) -> serde_json::Value {
    use annals_elasticsearch::Body;
    let body = body.map(|body| match path.contains("_bulk") {
        true => Body::Lines(body.to_owned()),
        false => Body::Json(body.to_owned()),
    });
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let query = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned()));
    let request = Request { method, path: path.to_owned(), query: query.collect(), body };
    let response = HttpTransport::new(config).unwrap().send(request).await.unwrap();
    serde_json::from_slice(&response.body).unwrap_or_default()
}

/// What the conformance kit looks at.
pub struct Search(pub SearchKind);

/// The handles on one store's indexes, and who may open another.
struct InUse {
    kind: SearchKind,
    config: ElasticConfig,
    handles: Vec<Weak<ElasticStore>>,
    again: Weak<()>,
}

static IN_USE: Mutex<Vec<InUse>> = Mutex::new(Vec::new());

async fn handle(config: &ElasticConfig) -> Result<Arc<ElasticStore>> {
    Ok(Arc::new(ElasticStore::open(config.clone()).await?))
}

/// Indexes on a server of a kind that nobody uses any more, emptied: to make new ones takes a server much longer.
async fn emptied(kind: SearchKind) -> Option<ElasticConfig> {
    let unused = {
        let mut all = IN_USE.lock().unwrap();
        let is_used =
            |used: &InUse| used.again.strong_count() > 0 || used.handles.iter().any(|handle| handle.strong_count() > 0);
        let unused = all.iter().position(|used| used.kind == kind && !is_used(used));
        unused.map(|unused| all.swap_remove(unused).config)
    }?;
    let indexes = format!("/{}*", unused.index_name);
    ask(&unused, Method::Post, &format!("{indexes}/_refresh"), None).await;
    let all = r#"{"query":{"match_all":{}}}"#;
    let deleted =
        ask(&unused, Method::Post, &format!("{indexes}/_delete_by_query?refresh=true&conflicts=proceed"), Some(all))
            .await;
    assert!(deleted["failures"].as_array().is_some_and(Vec::is_empty), "emptied: {deleted}");
    Some(unused)
}

#[async_trait::async_trait]
impl Subject for Search {
    async fn open(&self, _positions: bool) -> Result<Opened> {
        let config = match emptied(self.0).await {
            Some(config) => config,
            None => config(self.0).await,
        };
        let store = handle(&config).await?;
        let user = Arc::new(());
        let name = config.index_name.clone();
        let (handles, again) = (vec![Arc::downgrade(&store)], Arc::downgrade(&user));
        IN_USE.lock().unwrap().push(InUse { kind: self.0, config: config.clone(), handles, again });
        let again = move || -> futures::future::BoxFuture<'static, Result<DynStore>> {
            let (config, user, name) = (config.clone(), user.clone(), name.clone());
            Box::pin(async move {
                let store = handle(&config).await?;
                let mut all = IN_USE.lock().unwrap();
                if let Some(used) = all.iter_mut().find(|used| used.config.index_name == name) {
                    used.handles.push(Arc::downgrade(&store));
                }
                drop(user);
                Ok(store as DynStore)
            })
        };
        Ok(Opened { store, again: Some(Box::new(again)) })
    }
}
