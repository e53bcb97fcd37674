//! How a request shows that it may: a signature by the account's key, or a SAS token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What opens the tables.
pub(crate) enum Credentials {
    Key {
        account: String,
        key: Vec<u8>,
    },
    /// A query, without the question mark before it.
    Sas(String),
}

impl Credentials {
    /// The `Authorization` of a request (Shared Key for the Table service), where there is a key.
    pub(crate) fn authorization(&self, verb: &str, content_type: &str, date: &str, path: &str) -> Option<String> {
        let Self::Key { account, key } = self else { return None };
        let text = format!("{verb}\n\n{content_type}\n{date}\n/{account}{path}");
        // A key of any length will do.
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        mac.update(text.as_bytes());
        Some(format!("SharedKey {account}:{}", STANDARD.encode(mac.finalize().into_bytes())))
    }

    /// The query of a request with a SAS token.
    pub(crate) fn query(&self) -> Option<&str> {
        match self {
            Self::Key { .. } => None,
            Self::Sas(token) => Some(token),
        }
    }
}
