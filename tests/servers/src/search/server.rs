use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{SearchKind, SharedSearch, java, shared};
use crate::folder::Folder;
use crate::process::require;
use crate::server::{Program, Server};

/// Elasticsearch or OpenSearch, one node, without security. It takes about ten seconds to start and half a gigabyte, so
/// tests that can share one do. What it keeps is there when it is started again.
pub type SearchServer = Server<Search>;

/// Elasticsearch or OpenSearch.
pub struct Search(SearchKind);

impl SearchServer {
    /// Starts an empty one, and waits until it answers.
    pub async fn start(kind: SearchKind) -> Self {
        require("java", "search");
        assert!(parts(kind).exists(), "no server: run tests/servers/install.sh search");
        Self::begin(Search(kind), Folder::new(None)).await
    }

    /// A name of one's own on the server of that kind that all tests of this process share. The server is started for the
    /// first who asks, and ends with the process. If `ANNALS_TEST_SEARCH_URL` is set, it is that one, of whatever kind.
    pub async fn shared(kind: SearchKind) -> SharedSearch {
        shared::shared(kind).await
    }
}

/// What its file of settings says: a full disk is no reason to stop writing here.
const SETTINGS: &str = "network.host: 127.0.0.1
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false
action.auto_create_index: true
";

impl Program for Search {
    const PATIENCE: Duration = Duration::from_secs(180);

    fn command(&self, folder: &Path, port: u16) -> Vec<String> {
        let kind = self.0;
        let settings = folder.join("node_1/config");
        std::fs::create_dir_all(&settings).expect("a folder for its settings");
        std::fs::write(settings.join(kind.settings()), SETTINGS).expect("its settings");
        let java = java::among(kind.java()).display().to_string();
        let path = format!("{}:{}/*", installed().display(), parts(kind).display());
        // The first node listens one above the base.
        let (home, base) = (folder.display().to_string(), (port - 1).to_string());
        let machine = [&*java, "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", &path];
        let program = ["SearchServer", kind.runner(), "-basePath", &home, "-numOfNode", "1", "-baseHttpPort", &base];
        machine.into_iter().chain(program).chain(["-clusterName", "annals"]).map(str::to_owned).collect()
    }

    fn url(&self, address: SocketAddr) -> String {
        format!("http://{address}")
    }

    /// Has found its data.
    async fn answers(server: &Server<Self>) -> bool {
        timeout(Duration::from_secs(10), is_healthy(server.address())).await.unwrap_or(false)
    }
}

/// Whether all indexes can be read and written.
async fn is_healthy(address: SocketAddr) -> bool {
    let ask = async {
        let mut connection = TcpStream::connect(address).await?;
        let request = b"GET /_cluster/health?wait_for_status=yellow&timeout=5s HTTP/1.0\r\n\r\n";
        connection.write_all(request).await?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = ask.await.unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer);
    answer.lines().next().is_some_and(|status| status.contains(" 200 ")) && answer.contains(r#""timed_out":false"#)
}

/// What `install.sh` gets for a kind.
fn parts(kind: SearchKind) -> PathBuf {
    installed().join(kind.name())
}

fn installed() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/servers/search"))
}
