#![allow(clippy::unwrap_used)]

use super::*;

/// The session token of AWS's test vectors.
const TOKEN: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";

const FORM: [(&str, &str); 2] = [("content-type", "application/x-www-form-urlencoded"), ("content-length", "13")];

/// A request of AWS's published test suite for SigV4, and what signs it.
struct Vector {
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    token: Option<&'static str>,
    signed: &'static str,
    signature: &'static str,
}

const VANILLA: Vector = Vector {
    method: "GET",
    path: "/",
    headers: &[],
    body: "",
    token: None,
    signed: "host;x-amz-date",
    signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
};

const VECTORS: [(&str, Vector); 7] = [
    ("get-vanilla", VANILLA),
    (
        "get-vanilla-query-order-encoded",
        Vector {
            path: "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            signature: "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
            ..VANILLA
        },
    ),
    (
        "get-vanilla-utf8-query",
        Vector {
            path: "/?ሴ=bar",
            signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
            ..VANILLA
        },
    ),
    (
        "get-unreserved",
        Vector {
            path: "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            ..VANILLA
        },
    ),
    (
        "get-vanilla-with-session-token",
        Vector {
            token: Some(TOKEN),
            signed: "host;x-amz-date;x-amz-security-token",
            signature: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            ..VANILLA
        },
    ),
    (
        "post-vanilla",
        Vector {
            method: "POST",
            signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ..VANILLA
        },
    ),
    (
        "post-x-www-form-urlencoded",
        Vector {
            method: "POST",
            headers: &FORM,
            body: "Param1=value1",
            signed: "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
            signature: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            ..VANILLA
        },
    ),
];

#[test]
fn the_published_vectors_are_signed_as_published() {
    // 2015-08-30T12:36:00Z
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
    for (name, vector) in VECTORS {
        let Vector { method, path, headers, body, token, signed, signature: expected } = vector;
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new("AKIDEXAMPLE", secret, token.map(Into::into), None, "test");
        let url = Url::parse(&format!("https://example.amazonaws.com{path}")).unwrap();
        let request = Signed { method, url: &url, headers, body: body.as_bytes() };
        let mut settings = SigningSettings::default();
        if !body.is_empty() {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let headers = signature(settings, &request, &credentials, "us-east-1", "service", time).unwrap();
        let value = |name| headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str());
        assert_eq!(
            value("authorization").unwrap(),
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders={signed}, Signature={expected}"
            ),
            "{name}"
        );
        assert_eq!(value("x-amz-date"), Some("20150830T123600Z"), "{name}");
        assert_eq!(value("x-amz-security-token"), token, "{name}");
    }
}

#[test]
fn credentials_are_replaced_before_they_end() {
    let ending = |seconds| {
        let end = SystemTime::now() + Duration::from_secs(seconds);
        ends(&Credentials::new("id", "secret", None, Some(end), "test"))
    };
    assert!(ending(60));
    assert!(!ending(3600));
    assert!(!ends(&Credentials::new("id", "secret", None, None, "test")));
}

#[test]
fn other_services_are_refused() {
    let config = AwsSigning { service: Some("s3".into()), ..AwsSigning::default() };
    assert!(Signer::new(&config).err().unwrap().message().contains("'s3'"));
}
