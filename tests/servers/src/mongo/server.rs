use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::net::TcpStream;

use super::{SharedMongo, shared};
use crate::folder::Folder;
use crate::process::require;
use crate::server::{Program, Server};

/// A server of MongoDB's protocol: mongo-java-server, which keeps everything in memory and knows neither transactions nor
/// replica sets.
pub type MongoServer = Server<Mongo>;

/// mongo-java-server.
pub struct Mongo(());

impl MongoServer {
    /// Starts one, and waits until it answers.
    pub async fn start() -> Self {
        require("java", "mongo");
        assert!(classes().join("MongoTestServer.class").exists(), "no server: run tests/servers/install.sh mongo");
        Self::begin(Mongo(()), Folder::new(None)).await
    }

    /// A database of one's own on the server that all tests of this process share. The server is started for the first
    /// who asks, and ends with the process. If `ANNALS_TEST_MONGODB_URL` is set, it is that one.
    pub async fn shared() -> SharedMongo {
        shared::shared().await
    }
}

impl Program for Mongo {
    fn command(&self, _folder: &Path, port: u16) -> Vec<String> {
        let path = format!("{0}:{0}/lib/*", classes().display());
        let port = port.to_string();
        let command = ["java", "-Xmx1g", "-XX:+UseSerialGC", "-Xss4m", "-cp", &path, "MongoTestServer", &port];
        command.map(Into::into).into()
    }

    fn url(&self, address: SocketAddr) -> String {
        format!("mongodb://{address}")
    }

    /// Says that it listens, and does.
    async fn answers(server: &Server<Self>) -> bool {
        server.log().lines().any(|line| line == "READY") && TcpStream::connect(server.address()).await.is_ok()
    }
}

/// Where `install.sh` puts what it builds.
fn classes() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/servers/mongo"))
}
