//! Items of a table, page after page.

use std::collections::HashMap;

use annals_core::Result;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::client::Link;
use crate::error::from_sdk;
use crate::item::{Item, text};

/// What is read.
#[derive(Debug, Clone)]
pub(crate) enum From {
    /// A partition: the names of its key's attributes, the partition's, and the least and the greatest sort key.
    Partition { names: (&'static str, &'static str), of: String, rows: Option<(String, String)>, backward: bool },
    /// A segment of the whole table: which, of how many.
    Segment(i32, i32),
}

/// Reads on where the last answer ended.
pub(crate) struct Pager<'a> {
    link: &'a Link,
    table: &'a str,
    from: From,
    projection: Option<&'a (String, HashMap<String, String>)>,
    /// Which items of a scan are wanted: an expression of names that the projection has, and a value in it.
    filter: Option<(&'static str, (&'static str, AttributeValue))>,
    limit: Option<usize>,
    next: Option<Item>,
    fetched: Option<Vec<Item>>,
    is_done: bool,
}

impl<'a> Pager<'a> {
    pub(crate) fn new(link: &'a Link, table: &'a str, from: From) -> Self {
        // DynamoDB refuses bounds in the wrong order.
        let is_done = matches!(&from, From::Partition { rows: Some((least, most)), .. } if least > most);
        Self { link, table, from, projection: None, filter: None, limit: None, next: None, fetched: None, is_done }
    }

    /// Only these attributes.
    pub(crate) fn project(mut self, projection: &'a (String, HashMap<String, String>)) -> Self {
        self.projection = Some(projection);
        self
    }

    /// Of a scan only what this expression holds for. All is looked at nevertheless.
    pub(crate) fn filter(mut self, expression: &'static str, value: (&'static str, AttributeValue)) -> Self {
        self.filter = Some((expression, value));
        self
    }

    /// At most so many items in each answer.
    pub(crate) fn limit(mut self, limit: usize) -> Self {
        self.set_limit(limit);
        self
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = Some(limit);
    }

    /// Whether there may be more.
    pub(crate) fn has_more(&self) -> bool {
        !self.is_done
    }

    /// Asks for the next items, and leaves them to [`next`](Self::next).
    pub(crate) async fn fetch(&mut self) -> Result<()> {
        self.fetched = self.next().await?;
        Ok(())
    }

    /// The next items, maybe none; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Item>>> {
        if let Some(fetched) = self.fetched.take() {
            return Ok(Some(fetched));
        }
        if self.is_done {
            return Ok(None);
        }
        let limit = self.limit.map(|limit| i32::try_from(limit.max(1)).unwrap_or(i32::MAX));
        let (expression, mut names) = match self.projection {
            Some((expression, names)) => (Some(expression.clone()), names.clone()),
            None => (None, HashMap::new()),
        };
        let (items, next) = match &self.from {
            From::Segment(segment, of) => {
                let names = (!names.is_empty()).then_some(names);
                let (filter, values) = match self.filter.clone() {
                    Some((filter, (name, value))) => (Some(filter), Some(HashMap::from([(name.to_owned(), value)]))),
                    None => (None, None),
                };
                let answer = self.link.call(|sdk| {
                    sdk.scan()
                        .table_name(self.table)
                        .segment(*segment)
                        .total_segments(*of)
                        .consistent_read(true)
                        .set_limit(limit)
                        .set_projection_expression(expression.clone())
                        .set_expression_attribute_names(names.clone())
                        .set_filter_expression(filter.map(str::to_owned))
                        .set_expression_attribute_values(values.clone())
                        .set_exclusive_start_key(self.next.clone())
                        .send()
                });
                let answer = answer.await.map_err(from_sdk)?;
                (answer.items, answer.last_evaluated_key)
            }
            From::Partition { names: (partition, sort), of, rows, backward } => {
                names.extend([("#p".to_owned(), (*partition).to_owned())]);
                let mut values: HashMap<String, AttributeValue> = HashMap::from([(":p".to_owned(), text(of))]);
                let mut condition = "#p = :p".to_owned();
                if let Some((least, most)) = rows {
                    names.insert("#s".to_owned(), (*sort).to_owned());
                    values.extend([(":l".to_owned(), text(least)), (":m".to_owned(), text(most))]);
                    condition.push_str(" AND #s BETWEEN :l AND :m");
                }
                let answer = self.link.call(|sdk| {
                    sdk.query()
                        .table_name(self.table)
                        .key_condition_expression(&condition)
                        .set_expression_attribute_values(Some(values.clone()))
                        .set_expression_attribute_names(Some(names.clone()))
                        .scan_index_forward(!backward)
                        .consistent_read(true)
                        .set_limit(limit)
                        .set_projection_expression(expression.clone())
                        .set_exclusive_start_key(self.next.clone())
                        .send()
                });
                let answer = answer.await.map_err(from_sdk)?;
                (answer.items, answer.last_evaluated_key)
            }
        };
        self.is_done = next.is_none();
        self.next = next;
        Ok(Some(items.unwrap_or_default()))
    }
}
