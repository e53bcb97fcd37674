use std::process::Command;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::RedisServer;
use crate::process::require;

/// A Redis Cluster: three masters, and a replica for each. Its processes are killed on drop.
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts one, and waits until every node knows that it is whole and every replica follows its master.
    pub async fn start() -> Self {
        require("redis-cli", "redis");
        let mut nodes = Vec::new();
        for _ in 0..6 {
            let node =
                RedisServer::options().option("--cluster-enabled", "yes").option("--cluster-node-timeout", "5000");
            nodes.push(node.start().await);
        }
        let cluster = Self { nodes };
        cluster.create().await;
        let began = Instant::now();
        while !cluster.whole().await {
            assert!(began.elapsed() < Duration::from_secs(60), "the Redis Cluster doesn't become whole");
            sleep(Duration::from_millis(50)).await;
        }
        cluster
    }

    /// The nodes. At first the first three are the masters.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The nodes, to kill one and start it again.
    pub fn nodes_mut(&mut self) -> &mut [RedisServer] {
        &mut self.nodes
    }

    /// Every node's address: `redis://127.0.0.1:…`.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    async fn create(&self) {
        let mut command = Command::new("redis-cli");
        command.args(["--cluster", "create"]);
        command.args(self.nodes.iter().map(|node| node.address().to_string()));
        command.args(["--cluster-replicas", "1", "--cluster-yes"]);
        let created = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
        let created = created.expect("redis-cli runs");
        let said = String::from_utf8_lossy(&created.stdout);
        assert!(created.status.success(), "redis-cli --cluster create failed:\n{said}");
    }

    async fn whole(&self) -> bool {
        let mut replicas = 0;
        for node in &self.nodes {
            let cluster = node.ask(&["CLUSTER", "INFO"]).await.expect("a node answers");
            if !cluster.contains("cluster_state:ok") || !cluster.contains("cluster_known_nodes:6") {
                return false;
            }
            let replication = node.ask(&["INFO", "replication"]).await.expect("a node answers");
            replicas += usize::from(replication.contains("master_link_status:up"));
        }
        replicas == 3
    }
}
