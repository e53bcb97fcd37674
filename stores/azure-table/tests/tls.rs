//! Over TLS: who is trusted, and what is said where somebody isn't. Whom a machine trusts is read from a process's
//! environment, so each case runs in a process of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use annals_azure_table::AzureTableStore;
use annals_core::Read;
use annals_test_servers::{AzuriteServer, Certificates};
use common::{all, append, order};
use libtest_mimic::{Arguments, Failed, Trial};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Tells the child which store it is to open.
const STORE: &str = "ANNALS_AZURE_TABLE_TLS";

fn main() -> ExitCode {
    if let Ok(connection_string) = std::env::var(STORE) {
        return Runtime::new().unwrap().block_on(child(&connection_string));
    }
    let trials = vec![
        Trial::test("a_trusted_authority_s_server_is_used", trusted),
        Trial::test("an_unknown_authority_s_server_is_refused", unknown),
        Trial::test("a_server_of_another_name_is_refused", of_another_name),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The child: commits and reads, or says why not.
async fn child(connection_string: &str) -> ExitCode {
    let store = match AzureTableStore::open(connection_string.parse().unwrap()).await {
        Ok(store) => store,
        Err(error) => {
            println!("may be repeated: {}. {error} {error:?}", error.is_retryable());
            return ExitCode::FAILURE;
        }
    };
    append(&store, order(), "small", 2).await;
    append(&store, order(), "large", 60).await;
    assert_eq!(all(&store, Read::stream(order())).await.len(), 62);
    assert_eq!(all(&store, Read::all()).await.len(), 62);
    ExitCode::SUCCESS
}

/// A server that speaks TLS.
struct Secured {
    address: SocketAddr,
    connection_string: String,
    connections: Arc<AtomicUsize>,
    _server: AzuriteServer,
}

impl Secured {
    async fn start(at: &str, files: &Certificates) -> Self {
        let server = AzuriteServer::start().await;
        let chain = CertificateDer::pem_file_iter(&files.certificate).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((at, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, behind) = (Arc::new(AtomicUsize::new(0)), server.address());
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Relaxed);
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let (mut client, mut server) = (acceptor.accept(client).await?, TcpStream::connect(behind).await?);
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        let plain = server.connection_string();
        let connection_string = plain.replace(&format!("http://{behind}"), &format!("https://{address}"));
        assert_ne!(connection_string, plain);
        Self { address, connection_string, connections, _server: server }
    }

    /// Runs a child that trusts an authority; whether it came through, and what it said.
    fn opened_by_one_who_trusts(&self, authority: &Path) -> (bool, String) {
        let ended = Command::new(std::env::current_exe().unwrap())
            .env_clear()
            .env(STORE, &self.connection_string)
            .env("SSL_CERT_FILE", authority)
            .output()
            .unwrap();
        let said = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (ended.status.success(), said)
    }

    /// Fails unless a child that trusts an authority refuses this server, at once and in words that help.
    fn assert_refused(&self, authority: &Path) {
        let (came_through, said) = self.opened_by_one_who_trusts(authority);
        assert!(!came_through, "{said}");
        for part in ["may be repeated: false", "certificate", "SSL_CERT_FILE", &self.address.to_string()] {
            assert!(said.contains(part), "no {part}: {said}");
        }
        assert!(!said.contains("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1"), "the key is told: {said}");
        assert_eq!(self.connections.load(Relaxed), 1, "trying again doesn't help");
    }
}

fn trusted() -> Result<(), Failed> {
    let (runtime, folder) = (Runtime::new()?, tempfile::tempdir()?);
    let files = Certificates::make(folder.path());
    let server = runtime.block_on(Secured::start("127.0.0.1", &files));
    let (came_through, said) = server.opened_by_one_who_trusts(&files.authority);
    assert!(came_through, "{said}");
    Ok(())
}

fn unknown() -> Result<(), Failed> {
    let (runtime, folder) = (Runtime::new()?, tempfile::tempdir()?);
    let [ours, others] = ["ours", "others"].map(|name| Certificates::make(&folder.path().join(name)));
    let server = runtime.block_on(Secured::start("127.0.0.1", &ours));
    server.assert_refused(&others.authority);
    Ok(())
}

fn of_another_name() -> Result<(), Failed> {
    let (runtime, folder) = (Runtime::new()?, tempfile::tempdir()?);
    let files = Certificates::make(folder.path());
    // The certificate names 127.0.0.1 and localhost.
    let server = runtime.block_on(Secured::start("127.0.0.2", &files));
    server.assert_refused(&files.authority);
    Ok(())
}
