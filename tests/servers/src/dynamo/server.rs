use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::net::TcpStream;

use super::{SharedDynamo, shared};
use crate::folder::Folder;
use crate::server::{Program, Server};

/// A server of DynamoDB's protocol: dynoxide, which keeps everything in memory. It takes any credentials.
pub type DynamoServer = Server<Dynamo>;

/// dynoxide.
pub struct Dynamo(());

impl DynamoServer {
    /// Starts one, and waits until it answers.
    pub async fn start() -> Self {
        assert!(program().exists(), "no server: run tests/servers/install.sh dynamodb");
        Self::begin(Dynamo(()), Folder::new(None)).await
    }

    /// Names of one's own on the server that all tests of this process share. The server is started for the first who
    /// asks, and ends with the process. If `ANNALS_TEST_DYNAMODB_URL` is set, it is that one.
    pub async fn shared() -> SharedDynamo {
        shared::shared().await
    }
}

impl Program for Dynamo {
    fn command(&self, _folder: &Path, port: u16) -> Vec<String> {
        let program = program().display().to_string();
        [&*program, "serve", "--host", "127.0.0.1", "--port", &port.to_string()].map(Into::into).into()
    }

    fn url(&self, address: SocketAddr) -> String {
        format!("http://{address}")
    }

    /// Listens.
    async fn answers(server: &Server<Self>) -> bool {
        TcpStream::connect(server.address()).await.is_ok()
    }
}

/// What `install.sh` installs.
fn program() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/bin/dynoxide"))
}
