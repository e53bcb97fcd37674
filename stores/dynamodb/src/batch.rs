//! Many items in few requests.

use std::collections::HashMap;

use annals_core::Result;
use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, WriteRequest};
use futures::{StreamExt, TryStreamExt, stream};

use crate::client::{Link, Pause};
use crate::error::crowded;
use crate::item::Item;

/// The most items that one request gets.
const GETS: usize = 100;
/// The most items that one request deletes.
const DELETES: usize = 25;
/// So many requests at once.
pub(crate) const AT_ONCE: usize = 4;
/// How often what was left over is asked for again.
const TRIES: usize = 30;

/// Items by their keys, in no order; those that aren't there are left out.
pub(crate) async fn get(
    link: &Link,
    table: &str,
    keys: Vec<Item>,
    projection: Option<&(String, HashMap<String, String>)>,
) -> Result<Vec<Item>> {
    let chunks: Vec<Vec<Item>> = keys.chunks(GETS).map(<[Item]>::to_vec).collect();
    let found = stream::iter(chunks).map(|keys| get_some(link, table, keys, projection)).buffered(AT_ONCE);
    Ok(found.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
}

async fn get_some(
    link: &Link,
    table: &str,
    mut keys: Vec<Item>,
    projection: Option<&(String, HashMap<String, String>)>,
) -> Result<Vec<Item>> {
    let (mut found, mut pause) = (Vec::new(), Pause::default());
    for _ in 0..TRIES {
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .set_projection_expression(projection.map(|(expression, _)| expression.clone()))
            .set_expression_attribute_names(projection.map(|(_, names)| names.clone()))
            .consistent_read(true)
            .build()
            .map_err(|e| annals_core::Error::invalid("keys can't be described").with_source(e))?;
        let got = link.ask(|sdk| sdk.batch_get_item().request_items(table, wanted.clone()).send()).await?;
        found.extend(got.responses.into_iter().flatten().flat_map(|(_, items)| items));
        keys = got.unprocessed_keys.into_iter().flatten().flat_map(|(_, left)| left.keys).collect();
        if keys.is_empty() {
            return Ok(found);
        }
        pause.wait().await;
    }
    Err(crowded("DynamoDB leaves items out again and again"))
}

/// Deletes items by their keys, each given once.
pub(crate) async fn delete(link: &Link, table: &str, keys: Vec<Item>) -> Result<()> {
    let chunks: Vec<Vec<Item>> = keys.chunks(DELETES).map(<[Item]>::to_vec).collect();
    stream::iter(chunks).map(|keys| delete_some(link, table, keys)).buffer_unordered(AT_ONCE).try_collect().await
}

async fn delete_some(link: &Link, table: &str, keys: Vec<Item>) -> Result<()> {
    let delete = |key| DeleteRequest::builder().set_key(Some(key)).build();
    let requests = keys.into_iter().map(|key| Ok(WriteRequest::builder().delete_request(delete(key)?).build()));
    let requests = requests.collect::<Result<Vec<_>, aws_sdk_dynamodb::error::BuildError>>();
    let mut requests = requests.map_err(|e| annals_core::Error::invalid("keys can't be described").with_source(e))?;
    let mut pause = Pause::default();
    for _ in 0..TRIES {
        let done = link.ask(|sdk| sdk.batch_write_item().request_items(table, requests.clone()).send()).await?;
        requests = done.unprocessed_items.into_iter().flatten().flat_map(|(_, left)| left).collect();
        if requests.is_empty() {
            return Ok(());
        }
        pause.wait().await;
    }
    Err(crowded("DynamoDB leaves items out again and again"))
}
