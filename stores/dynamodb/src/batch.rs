//! Many items in few requests.

use std::collections::HashMap;

use annals_core::Result;
use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest};
use futures::{StreamExt, TryStreamExt, stream};

use crate::client::{Link, Pause};
use crate::error::crowded;
use crate::item::Item;

/// The most items that one request gets.
const GETS: usize = 100;
/// The most items that one request writes or deletes.
const WRITES: usize = 25;
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
    let delete = |key| {
        let delete = DeleteRequest::builder().set_key(Some(key)).build().map_err(undescribed)?;
        Ok(WriteRequest::builder().delete_request(delete).build())
    };
    write(link, table, keys.into_iter().map(delete).collect::<Result<_>>()?).await
}

/// Writes items, each given once, whether they are there or not.
pub(crate) async fn put(link: &Link, table: &str, items: Vec<Item>) -> Result<()> {
    let put = |item| {
        let put = PutRequest::builder().set_item(Some(item)).build().map_err(undescribed)?;
        Ok(WriteRequest::builder().put_request(put).build())
    };
    write(link, table, items.into_iter().map(put).collect::<Result<_>>()?).await
}

fn undescribed(error: aws_sdk_dynamodb::error::BuildError) -> annals_core::Error {
    annals_core::Error::invalid("items can't be described").with_source(error)
}

async fn write(link: &Link, table: &str, requests: Vec<WriteRequest>) -> Result<()> {
    let chunks: Vec<_> = requests.chunks(WRITES).map(<[WriteRequest]>::to_vec).collect();
    stream::iter(chunks).map(|some| write_some(link, table, some)).buffer_unordered(AT_ONCE).try_collect().await
}

async fn write_some(link: &Link, table: &str, mut requests: Vec<WriteRequest>) -> Result<()> {
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
