//! The store's own way to servers: who asks, TLS, signatures, hosts that fail. What it sends is checked by a small server,
//! as those of the other tests have no security.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod server;
mod signed;

use std::time::Duration;

use annals_core::{ErrorKind, Result};
use annals_elasticsearch::{
    Auth, AwsSigning, Body, ElasticConfig, HttpTransport, Method, Request, Response, Tls, Transport as _,
};
use annals_test_servers::Certificates;
use server::{Said, Server};

fn request() -> Request {
    Request {
        method: Method::Post,
        path: "/shop%2Devents/_doc/a%2Fb%20%C3%BC".into(),
        query: vec![("refresh".into(), "true".into()), ("filter_path".into(), "a,b c*".into())],
        body: Some(Body::Lines("{\"x\":\"ü\"}\n".into())),
    }
}

async fn ask(config: &ElasticConfig) -> Result<Response> {
    HttpTransport::new(config)?.send(request()).await
}

fn tells(error: &annals_core::Error, secret: &str) -> bool {
    let mut text = format!("{error} {error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text += &format!(" {inner} {inner:?}");
        source = inner.source();
    }
    text.contains(secret)
}

#[tokio::test]
async fn a_request_arrives_as_it_is_and_so_does_every_answer() {
    let server = Server::start(|asked| Said::Status(if asked.method == "HEAD" { 404 } else { 201 })).await;
    let transport = HttpTransport::new(&ElasticConfig::new(format!("{}/under", server.url()))).unwrap();
    let response = transport.send(request()).await.unwrap();
    assert_eq!((response.status, &*response.body), (201, br#"{"is":"here"}"#.as_slice()));
    let asked = server.last();
    assert_eq!(asked.method, "POST");
    let target = "/under/shop-events/_doc/a%2Fb%20%C3%BC?refresh=true&filter_path=a%2Cb%20c%2A";
    assert_eq!(asked.target, target);
    assert_eq!(asked.headers["content-type"], "application/x-ndjson");
    assert!(!asked.headers.contains_key("authorization"));
    assert_eq!(asked.body, "{\"x\":\"ü\"}\n".as_bytes());

    let head = Request { method: Method::Head, path: "/shop".into(), query: Vec::new(), body: None };
    let response = transport.send(head).await.unwrap();
    assert_eq!((response.status, response.body.len()), (404, 0));
    assert!(!server.last().headers.contains_key("content-type"));
}

#[tokio::test]
async fn says_who_asks_and_tells_nobody_else() {
    let server = Server::start(|_| Said::Status(200)).await;
    let with_auth = |auth| ElasticConfig::new(server.url()).auth(auth);
    let of_host = format!("http://ann:s%C3%A9cret@{}", server.address);
    for (config, sent) in [
        (with_auth(Auth::Basic("ann".into(), "sécret".into())), "Basic YW5uOnPDqWNyZXQ="),
        (with_auth(Auth::ApiKey("a2V5OnPDqWNyZXQ=".into())), "ApiKey a2V5OnPDqWNyZXQ="),
        (ElasticConfig::new(of_host), "Basic YW5uOnPDqWNyZXQ="),
    ] {
        ask(&config).await.unwrap();
        assert_eq!(server.last().headers["authorization"], sent);
        let shown = format!("{config:?} {:?}", HttpTransport::new(&config).unwrap());
        for secret in ["sécret", "s%C3%A9cret", "a2V5OnPDqWNyZXQ", "YW5uOnPDqWNyZXQ"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    // Nothing listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = ask(&ElasticConfig::new(format!("http://ann:s3cret@{gone}"))).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Connection);
    assert!(error.message().contains(&gone.to_string()) && !tells(&error, "s3cret"), "{error:?}");
}

#[tokio::test]
async fn trusts_only_the_authority_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Certificates::make(&folder.path().join("ours"));
    let others = Certificates::make(&folder.path().join("others"));
    let server = Server::start_tls(&ours.certificate, &ours.key, None).await;
    let config = |authority: Option<&std::path::Path>| {
        let mut config = ElasticConfig::new(format!("https://{}", server.address));
        config.auth = Some(Auth::Basic("ann".into(), "s3cret".into()));
        config.tls = Tls { ca: authority.map(|file| std::fs::read(file).unwrap()), identity: None };
        config
    };
    assert_eq!(ask(&config(Some(&ours.authority))).await.unwrap().status, 200);
    assert_eq!(server.last().headers["authorization"], "Basic YW5uOnMzY3JldA==");
    for authority in [None, Some(&*others.authority)] {
        let error = ask(&config(authority)).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Connection);
        assert!(tells(&error, "certificate") && !tells(&error, "s3cret"), "{error:?}");
    }
    assert_eq!(server.asked().len(), 1);

    let mut wrong = config(None);
    wrong.tls.ca = Some(b"no PEM".to_vec());
    assert_eq!(ask(&wrong).await.unwrap_err().kind(), &ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn shows_its_own_certificate_where_the_server_asks_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let files = Certificates::make(folder.path());
    let server = Server::start_tls(&files.certificate, &files.key, Some(&files.authority)).await;
    let read = |file| std::fs::read(file).unwrap();
    let mut config = ElasticConfig::new(format!("https://localhost:{}", server.address.port()));
    config.tls = Tls { ca: Some(read(&files.authority)), identity: None };
    assert_eq!(ask(&config).await.unwrap_err().kind(), &ErrorKind::Connection);
    config.tls.identity = Some((read(&files.certificate), read(&files.key)));
    assert_eq!(ask(&config).await.unwrap().status, 200);

    config.tls.identity = Some((read(&files.certificate), b"s3cret".to_vec()));
    let error = ask(&config).await.unwrap_err();
    assert!(error.kind() == &ErrorKind::InvalidArgument && !tells(&error, "s3cret"), "{error:?}");
}

#[tokio::test]
async fn signs_for_aws_what_the_server_can_check() {
    let server = Server::start(|_| Said::Status(200)).await;
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    for (service, token) in [(None, None), (Some("es"), Some("t0ken")), (Some("aoss"), None)] {
        let signing = AwsSigning {
            service: service.map(str::to_owned),
            region: Some("eu-central-1".into()),
            credentials: Some(("AKIDEXAMPLE".into(), secret.into(), token.map(str::to_owned))),
        };
        let config = ElasticConfig::new(server.url()).auth(Auth::Aws(signing));
        let transport = HttpTransport::new(&config).unwrap();
        for body in [request().body, None] {
            transport.send(Request { body: body.clone(), ..request() }).await.unwrap();
            let mut asked = server.last();
            let scope = signed::check(&asked, secret).unwrap();
            assert_eq!(scope[1..], ["eu-central-1", service.unwrap_or("es"), "aws4_request"]);
            assert_eq!(asked.headers.get("x-amz-security-token").map(|token| &**token), token);
            let names = &asked.headers["authorization"];
            assert!(names.contains("AKIDEXAMPLE") && names.contains("host;"), "{names}");
            assert_eq!(names.contains("content-type;"), body.is_some());
            // It checks indeed.
            assert!(signed::check(&asked, "another").is_err());
            asked.target.push_str("&more=1");
            assert!(signed::check(&asked, secret).is_err());
        }
        assert!(!format!("{config:?} {transport:?}").contains("EXAMPLEKEY"));
        assert!(!format!("{config:?} {transport:?}").contains("t0ken"));
    }
}

#[tokio::test]
async fn hosts_take_turns_and_one_that_is_gone_is_passed_over() {
    let (one, other) = (Server::start(|_| Said::Status(200)).await, Server::start(|_| Said::Status(200)).await);
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = ElasticConfig::new(format!("http://{gone}"));
    config.hosts.extend([one.url(), other.url()]);
    let transport = HttpTransport::new(&config).unwrap();
    for _ in 0..9 {
        assert_eq!(transport.send(request()).await.unwrap().status, 200);
    }
    let (one, other) = (one.asked().len(), other.asked().len());
    assert_eq!(one + other, 9);
    assert!(one >= 3 && other >= 3, "{one} and {other}");
}

#[tokio::test]
async fn what_may_have_arrived_is_not_sent_once_more_and_the_next_request_goes_elsewhere() {
    let healthy = Server::start(|_| Said::Status(200)).await;
    for (answer, expected) in [
        ((|_| Said::Nothing) as server::Answer, Err(ErrorKind::Timeout)),
        (|_| Said::Closed, Err(ErrorKind::Connection)),
        (|_| Said::Status(503), Ok(503)),
    ] {
        let failing = Server::start(answer).await;
        let mut config = ElasticConfig::new(failing.url());
        config.hosts.push(healthy.url());
        config.response_timeout = Duration::from_secs(1);
        let transport = HttpTransport::new(&config).unwrap();
        let before = healthy.asked().len();
        let outcome = transport.send(request()).await;
        if let Err(error) = &outcome {
            assert!(error.is_retryable() && error.message().contains("repeat it with the same id"), "{error}");
        }
        assert_eq!(outcome.map(|response| response.status).map_err(|error| error.kind().clone()), expected);
        assert_eq!((failing.asked().len(), healthy.asked().len()), (1, before));
        for _ in 0..4 {
            assert_eq!(transport.send(request()).await.unwrap().status, 200);
        }
        assert_eq!(failing.asked().len(), 1);
    }
}

#[test]
fn hosts_and_keys_that_can_t_be_used_are_refused() {
    let mut none = ElasticConfig::default();
    none.hosts.clear();
    let key = ElasticConfig::default().auth(Auth::ApiKey("s3\ncret".into()));
    let host = ElasticConfig::new("localhost s3\ncret");
    for config in [none, key, host] {
        let error = HttpTransport::new(&config).err().unwrap();
        assert!(error.kind() == &ErrorKind::InvalidArgument && !tells(&error, "cret"), "{error:?}");
    }
}
