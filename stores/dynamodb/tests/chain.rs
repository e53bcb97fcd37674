//! Who asks, and over what: credentials that AWS's chain finds sign every request, and TLS trusts whom the machine trusts.
//! What is found depends on a process's environment, so each case runs in a process of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use annals_core::Read;
use annals_dynamodb::DynamoStore;
use annals_test_servers::{Certificates, DynamoServer};
use common::gateway::Gateway;
use common::{all, append};
use libtest_mimic::{Arguments, Failed, Trial};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Tells the child which store it is to open.
const URL: &str = "ANNALS_DYNAMODB_CHAIN_URL";

fn main() -> ExitCode {
    if let Ok(url) = std::env::var(URL) {
        return Runtime::new().unwrap().block_on(child(&url));
    }
    let trials = vec![
        Trial::test("the_environment", || signed_by(&environment, ("of-environment", Some("its-token")))),
        Trial::test("a_profile", || signed_by(&profile, ("of-profile", None))),
        Trial::test("a_container", || signed_by(&container, ("of-container", Some("containers-token")))),
        Trial::test("nobody", nobody),
        Trial::test("tls", tls),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The child: commits and reads, or says why not.
async fn child(url: &str) -> ExitCode {
    let store = match DynamoStore::open(url.parse().unwrap()).await {
        Ok(store) => store,
        Err(error) => {
            println!("{error} {error:?}");
            return ExitCode::FAILURE;
        }
    };
    append(&store, "a", "c", 2).await;
    assert_eq!(all(&store, Read::all()).await.len(), 2);
    ExitCode::SUCCESS
}

/// Runs a child with nothing in its environment but these; whether it came through, and what it said.
fn run(url: &str, variables: &[(&str, String)], folder: &Path) -> (bool, String) {
    let nothing = folder.join("nothing").display().to_string();
    let ended = Command::new(std::env::current_exe().unwrap())
        .env_clear()
        .env(URL, url)
        .env("HOME", folder)
        // Otherwise a machine's own metadata are asked, which takes long where there are none.
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", &nothing)
        .env("AWS_SHARED_CREDENTIALS_FILE", &nothing)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    let said = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (ended.status.success(), said)
}

type Variables = Vec<(&'static str, String)>;

fn environment(_: &Path, _: SocketAddr) -> Variables {
    [("AWS_ACCESS_KEY_ID", "of-environment"), ("AWS_SECRET_ACCESS_KEY", "s3cr3t"), ("AWS_SESSION_TOKEN", "its-token")]
        .map(|(name, value)| (name, value.to_owned()))
        .into()
}

fn profile(folder: &Path, _: SocketAddr) -> Variables {
    let (config, credentials) = (folder.join("config"), folder.join("credentials"));
    std::fs::write(&config, "[profile shop]\nregion = eu-central-1\n").unwrap();
    let keys = "aws_access_key_id = of-profile\naws_secret_access_key = s3cr3t\n";
    std::fs::write(&credentials, format!("[shop]\n{keys}")).unwrap();
    let path = |path: &Path| path.display().to_string();
    vec![
        ("AWS_PROFILE", "shop".into()),
        ("AWS_CONFIG_FILE", path(&config)),
        ("AWS_SHARED_CREDENTIALS_FILE", path(&credentials)),
    ]
}

fn container(_: &Path, endpoint: SocketAddr) -> Variables {
    vec![
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{endpoint}/credentials")),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let-me".into()),
    ]
}

/// A container's endpoint of credentials.
async fn endpoint() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") && client.read_buf(&mut asked).await.is_ok_and(|n| n > 0) {}
            let asked = String::from_utf8_lossy(&asked).to_lowercase();
            let (status, body) = match asked.contains("authorization: let-me") {
                true => (
                    "200 OK",
                    r#"{"AccessKeyId":"of-container","SecretAccessKey":"s3cr3t","Token":"containers-token",
                        "Expiration":"2100-01-01T00:00:00Z"}"#,
                ),
                false => ("401 Unauthorized", "{}"),
            };
            let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n");
            let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
            // Whoever hung up doesn't want it.
            let _ = client.write_all(answer.as_bytes()).await;
        }
    });
    address
}

fn signed_by(found: &dyn Fn(&Path, SocketAddr) -> Variables, signer: (&str, Option<&str>)) -> Result<(), Failed> {
    let runtime = Runtime::new()?;
    let folder = tempfile::tempdir()?;
    let (server, endpoint) = runtime.block_on(async { (DynamoServer::start().await, endpoint().await) });
    let gateway = runtime.block_on(Gateway::start(server.address()));
    let url = format!("dynamodb://?endpoint={}", gateway.url());
    let (came_through, said) = run(&url, &found(folder.path(), endpoint), folder.path());
    assert!(came_through, "{said}");
    let signers = gateway.signers();
    assert!(signers.len() >= 4, "{signers:?}");
    let expected = (signer.0.to_owned(), signer.1.map(str::to_owned));
    assert!(signers.iter().all(|signer| *signer == expected), "{signers:?}");
    Ok(())
}

fn nobody() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (came_through, said) = run("dynamodb://eu-central-1?endpoint=http://127.0.0.1:9", &[], folder.path());
    assert!(!came_through);
    assert!(said.contains("are there credentials") && said.contains("[endpoint: 127.0.0.1:9]"), "{said}");
    Ok(())
}

/// Speaks TLS before a server.
async fn tls_before(server: SocketAddr, files: &Certificates) -> u16 {
    let chain = CertificateDer::pem_file_iter(&files.certificate).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let (mut client, mut server) = (acceptor.accept(client).await?, TcpStream::connect(server).await?);
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    port
}

fn tls() -> Result<(), Failed> {
    let runtime = Runtime::new()?;
    let folder = tempfile::tempdir()?;
    let (ours, others) =
        (Certificates::make(&folder.path().join("ours")), Certificates::make(&folder.path().join("others")));
    let server = runtime.block_on(DynamoServer::start());
    let gateway = runtime.block_on(Gateway::start(server.address()));
    let port = runtime.block_on(tls_before(gateway.address(), &ours));
    let url = format!("dynamodb://?endpoint=https%3A%2F%2Flocalhost:{port}&attempts=2&timeout=5000");
    let trusting = |files: &Certificates| {
        let mut variables = environment(folder.path(), server.address());
        variables.push(("SSL_CERT_FILE", files.authority.display().to_string()));
        run(&url, &variables, folder.path())
    };
    let (came_through, said) = trusting(&others);
    assert!(!came_through && gateway.asked().is_empty(), "{said}");
    assert!(said.contains(&format!("[endpoint: localhost:{port}]")) && !said.contains("s3cr3t"), "{said}");
    assert!(said.contains("certificate is not one") && said.contains("SSL_CERT_FILE"), "{said}");
    let (came_through, said) = trusting(&ours);
    assert!(came_through, "{said}");
    assert!(gateway.signers().iter().all(|(signer, _)| signer == "of-environment"));
    Ok(())
}
