//! Checks a request's SigV4 signature as AWS describes it, without the crate that signs.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::server::Asked;

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The part of `text` between a name and the next comma.
fn part<'a>(text: &'a str, name: &str) -> &'a str {
    text.split_once(name).unwrap().1.split(',').next().unwrap()
}

/// Whether the request is signed with that secret, as `Ok`, for its scope: date, region and service.
pub(crate) fn check(asked: &Asked, secret: &str) -> Result<Vec<String>, String> {
    let authorization = &asked.headers["authorization"];
    let scope = part(authorization, "Credential=").split_once('/').unwrap().1;
    let names = part(authorization, "SignedHeaders=");
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let mut query: Vec<&str> = query.split('&').collect();
    query.sort_unstable();
    let hash = hex(Sha256::digest(&asked.body));
    if asked.headers["x-amz-content-sha256"] != hash {
        return Err("the body is another".into());
    }
    let headers: String = names.split(';').map(|name| format!("{name}:{}\n", asked.headers[name])).collect();
    // Each part of the path is encoded once more than it is sent.
    let path = path.replace('%', "%25");
    let canonical =
        [&asked.method, &path, &query.join("&"), &headers, names, &hash].map(|part| part as &str).join("\n");
    let date = &asked.headers["x-amz-date"];
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(Sha256::digest(canonical)));
    let key = scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part));
    if part(authorization, "Signature=") != hex(hmac(&key, &text)) {
        return Err("the signature is another".into());
    }
    Ok(scope.split('/').map(str::to_owned).collect())
}
