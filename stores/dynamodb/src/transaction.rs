//! Transactions: all items or none, and which of them refused.

use annals_core::{Error, Result};
use aws_sdk_dynamodb::types::{ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};

use crate::client::Link;
use crate::error::{crowded, from_sdk, is_condition, is_passing, may_pass, reasons};
use crate::item::{self, Item};

/// The most items in a transaction.
pub(crate) const MAX_ITEMS: usize = 100;
/// The most bytes in a transaction are 4 MB; a little is left for how they are counted.
pub(crate) const MAX_BYTES: usize = 4_000_000;

/// What an item of a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// The guard of the commit.
    Guard,
    /// The so-manieth event.
    Event(usize),
    /// Its undispatched copy.
    Copy(usize),
    /// The count of positions.
    Count,
    /// What has no condition.
    Other,
}

/// What became of a transaction.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done,
    /// The conditions of these didn't hold. Nothing was written.
    Refused(Vec<What>),
}

/// Items that are written together.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    items: Vec<TransactWriteItem>,
    whats: Vec<What>,
}

/// A condition, with the names (`#n`) and values (`:v`) in it.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    pub(crate) expression: &'static str,
    pub(crate) values: Vec<(&'static str, aws_sdk_dynamodb::types::AttributeValue)>,
}

impl Condition {
    pub(crate) fn new(expression: &'static str) -> Self {
        Self { expression, values: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: aws_sdk_dynamodb::types::AttributeValue) -> Self {
        self.values.push((name, value));
        self
    }

    fn values(&self) -> Option<Item> {
        let values: Item = self.values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        (!values.is_empty()).then_some(values)
    }
}

fn unbuilt(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    Error::invalid("a transaction can't be described").with_source(error)
}

impl Transaction {
    fn push(&mut self, what: What, item: TransactWriteItem) {
        self.items.push(item);
        self.whats.push(what);
    }

    pub(crate) fn put(&mut self, what: What, table: &str, item: Item, condition: Option<Condition>) -> Result<()> {
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(item))
            .set_condition_expression(condition.as_ref().map(|condition| condition.expression.to_owned()))
            .set_expression_attribute_values(condition.as_ref().and_then(Condition::values))
            .build()
            .map_err(unbuilt)?;
        self.push(what, TransactWriteItem::builder().put(put).build());
        Ok(())
    }

    pub(crate) fn update(
        &mut self,
        what: What,
        table: &str,
        key: Item,
        update: &str,
        condition: &Condition,
    ) -> Result<()> {
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(key))
            .update_expression(update)
            .condition_expression(condition.expression)
            .set_expression_attribute_values(condition.values())
            .build()
            .map_err(unbuilt)?;
        self.push(what, TransactWriteItem::builder().update(update).build());
        Ok(())
    }

    pub(crate) fn check(&mut self, what: What, table: &str, key: Item, condition: &Condition) -> Result<()> {
        let check = ConditionCheck::builder()
            .table_name(table)
            .set_key(Some(key))
            .condition_expression(condition.expression)
            .set_expression_attribute_values(condition.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::None)
            .build()
            .map_err(unbuilt)?;
        self.push(what, TransactWriteItem::builder().condition_check(check).build());
        Ok(())
    }

    /// Writes all items or none. A try whose answer gets lost is known by its token when it is made again.
    pub(crate) async fn send(&self, link: &Link) -> Result<Outcome> {
        let token = annals_core::new_id();
        let sent = link
            .call_while(
                |sdk| {
                    sdk.transact_write_items()
                        .set_transact_items(Some(self.items.clone()))
                        .client_request_token(&*token)
                        .send()
                },
                |error| reasons(error).map_or_else(|| may_pass(error), is_passing),
            )
            .await;
        let error = match sent {
            Ok(_) => return Ok(Outcome::Done),
            Err(error) => error,
        };
        let Some(reasons) = reasons(&error) else { return Err(from_sdk(error)) };
        if is_passing(reasons) {
            return Err(crowded("the transaction was crossed by others again and again").with_source(error));
        }
        let refused = reasons.iter().zip(&self.whats).filter(|(reason, _)| is_condition(reason));
        let refused: Vec<_> = refused.map(|(_, what)| *what).collect();
        if refused.is_empty() { Err(from_sdk(error)) } else { Ok(Outcome::Refused(refused)) }
    }
}

/// How many of these items, from the first on, a transaction has room for.
pub(crate) fn room(items: &[Item], copied: bool, reserved: usize, reserved_bytes: usize) -> usize {
    let times = if copied { 2 } else { 1 };
    let (mut count, mut bytes) = (0, reserved_bytes);
    for item in items {
        bytes += times * (item::size(item) + 64);
        if (count + 1) * times + reserved > MAX_ITEMS || bytes > MAX_BYTES {
            break;
        }
        count += 1;
    }
    count
}
