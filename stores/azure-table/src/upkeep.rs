//! Opening and clearing.

use annals_core::Result;
use futures::FutureExt as _;

use crate::AzureTableStore;
use crate::client::Query;
use crate::entity::string;
use crate::pending::at_once;

impl AzureTableStore {
    /// Makes the tables that are missing, completes what writers left, and indexes what node-eventstore wrote.
    pub(crate) async fn settle_at_open(&self) -> Result<()> {
        let tables = &self.tables;
        for table in [&tables.events, &tables.undispatched, &tables.snapshots, &tables.index] {
            self.client.make_table(table).await?;
        }
        let is_new = self.kinds().await?.is_empty();
        if !is_new {
            self.recover().await?;
        }
        if is_new || self.config.node_eventstore_writes {
            // An index that is empty lacks what we wrote too.
            self.adopt_all(is_new).await?;
        }
        Ok(())
    }

    /// Removes every entity of every table. (A table that is removed itself is away for a minute.)
    pub(crate) async fn delete_everything(&self) -> Result<()> {
        self.client.is_open()?;
        let tables = &self.tables;
        // The index goes first: what it decided is not put in place again.
        for table in [&tables.index, &tables.events, &tables.undispatched, &tables.snapshots] {
            let query = Query { select: Some("PartitionKey,RowKey"), ..Query::default() };
            let rows = self.client.query_all(table, &query).await?;
            let keys: Vec<_> = rows.iter().map(|row| (string(row, "PartitionKey"), string(row, "RowKey"))).collect();
            let partitions = keys.chunk_by(|(a, _), (b, _)| a == b);
            at_once(partitions.map(|rows| self.delete_partition(table, rows).boxed()).collect()).await?;
        }
        self.heads.forget_all();
        self.known_kinds.forget_all();
        Ok(())
    }

    async fn delete_partition(&self, table: &str, rows: &[(String, String)]) -> Result<()> {
        let partition = rows.first().map(|(partition, _)| partition.as_str()).unwrap_or_default();
        self.delete_rows(table, partition, rows.iter().map(|(_, row)| row.clone()).collect()).await
    }
}
