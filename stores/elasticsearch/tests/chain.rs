//! Requests that are signed for AWS with what its chain finds. That depends on a process's environment, so each case runs in a
//! process of its own, and a small server checks whose signatures they are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "transport/server.rs"]
#[allow(dead_code, reason = "a part of it is for other tests")]
mod server;
#[path = "transport/signed.rs"]
mod signed;

use std::path::Path;
use std::process::{Command, ExitCode};

use annals_elasticsearch::{Body, ElasticConfig, HttpTransport, Method, Request, Transport as _};
use libtest_mimic::{Arguments, Failed, Trial};
use server::{Said, Server};
use tokio::runtime::Runtime;

/// Tells the child whom it is to ask.
const URL: &str = "ANNALS_SEARCH_CHAIN_URL";
const SECRET: &str = "s3cr3t";

fn main() -> ExitCode {
    if let Ok(url) = std::env::var(URL) {
        return Runtime::new().unwrap().block_on(child(&url));
    }
    let trials = vec![
        Trial::test("the_environment", || {
            signed_by(
                |_| environment("AWS_REGION"),
                "aws=es",
                ["of-environment", "eu-north-1", "es"],
                Some("its-token"),
            )
        }),
        Trial::test("a_profile", || signed_by(profile, "aws=aoss", ["of-profile", "eu-central-1", "aoss"], None)),
        Trial::test("a_region_that_is_given", || {
            signed_by(profile, "aws=es&region=us-west-2", ["of-profile", "us-west-2", "es"], None)
        }),
        Trial::test("no_credentials", || refused(&[("AWS_REGION", "eu-north-1".into())], "credentials can't be found")),
        Trial::test("no_region", || refused(&environment("NO_REGION"), "no region is known")),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The child: asks twice, or says why not.
async fn child(url: &str) -> ExitCode {
    let transport = HttpTransport::new(&url.parse::<ElasticConfig>().unwrap()).unwrap();
    for path in ["/_mget", "/_bulk"] {
        let body = Some(Body::Json(r#"{"docs":[]}"#.into()));
        let request = Request { method: Method::Post, path: path.into(), query: Vec::new(), body };
        if let Err(error) = transport.send(request).await {
            println!("{error} {error:?}");
            return ExitCode::FAILURE;
        }
    }
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

fn environment(region: &'static str) -> Variables {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "of-environment"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_SESSION_TOKEN", "its-token"),
        (region, "eu-north-1"),
    ];
    variables.map(|(name, value)| (name, value.to_owned())).into()
}

fn profile(folder: &Path) -> Variables {
    let (config, credentials) = (folder.join("config"), folder.join("credentials"));
    std::fs::write(&config, "[profile shop]\nregion = eu-central-1\n").unwrap();
    let keys = format!("aws_access_key_id = of-profile\naws_secret_access_key = {SECRET}\n");
    let others = "[default]\naws_access_key_id = of-nobody\naws_secret_access_key = nothing\n";
    std::fs::write(&credentials, format!("{others}[shop]\n{keys}")).unwrap();
    let path = |path: &Path| path.display().to_string();
    vec![
        ("AWS_PROFILE", "shop".into()),
        ("AWS_CONFIG_FILE", path(&config)),
        ("AWS_SHARED_CREDENTIALS_FILE", path(&credentials)),
    ]
}

fn signed_by(
    found: impl Fn(&Path) -> Variables,
    options: &str,
    [signer, region, service]: [&str; 3],
    token: Option<&str>,
) -> Result<(), Failed> {
    let runtime = Runtime::new()?;
    let folder = tempfile::tempdir()?;
    let server = runtime.block_on(Server::start(|_| Said::Status(200)));
    let (came_through, said) =
        run(&format!("opensearch://{}?{options}", server.address), &found(folder.path()), folder.path());
    assert!(came_through, "{said}");
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    for asked in asked {
        let scope = signed::check(&asked, SECRET)?;
        assert_eq!(scope[1..], [region, service, "aws4_request"]);
        assert!(asked.headers["authorization"].contains(&format!("Credential={signer}/")), "{asked:?}");
        assert_eq!(asked.headers.get("x-amz-security-token").map(|token| &**token), token);
        assert!(signed::check(&asked, "another").is_err());
    }
    Ok(())
}

fn refused(variables: &[(&str, String)], says: &str) -> Result<(), Failed> {
    let runtime = Runtime::new()?;
    let folder = tempfile::tempdir()?;
    let server = runtime.block_on(Server::start(|_| Said::Status(200)));
    let (came_through, said) = run(&format!("opensearch://{}?aws=es", server.address), variables, folder.path());
    assert!(!came_through && said.contains(says) && !said.contains(SECRET), "{said}");
    assert!(server.asked().is_empty());
    Ok(())
}
