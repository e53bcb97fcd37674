//! Where a request goes, spelt in one way.

use annals_core::{Error, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::Url;

use super::Request;

/// All but RFC 3986's unreserved characters: as those who sign and check signatures write it.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The URL of a request to a host.
pub(super) fn of(host: &Url, request: &Request) -> Result<Url> {
    let mut url = host.clone();
    let mut path = host.path().trim_end_matches('/').to_owned();
    for part in request.path.trim_start_matches('/').split('/') {
        let part = percent_decode_str(part).decode_utf8_lossy();
        if part == "." || part == ".." {
            // URLs go up and down by them, however they are encoded.
            return Err(Error::invalid(format!("an id or a name that is '{part}' can't be asked for over HTTP.")));
        }
        path.push('/');
        path.extend(utf8_percent_encode(&part, RESERVED));
    }
    url.set_path(&path);
    if !request.query.is_empty() {
        let encoded = |text| utf8_percent_encode(text, RESERVED);
        let pairs = request.query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        url.set_query(Some(&pairs.collect::<Vec<_>>().join("&")));
    }
    Ok(url)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Method;
    use super::*;

    fn url(host: &str, path: &str, query: &[(&str, &str)]) -> Result<String> {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = Request { method: Method::Get, path: path.into(), query, body: None };
        of(&Url::parse(host).unwrap(), &request).map(String::from)
    }

    #[test]
    fn paths_and_queries_are_spelt_in_one_way() {
        assert_eq!(url("http://h:9200", "/", &[]).unwrap(), "http://h:9200/");
        assert_eq!(url("http://h/es/", "/a/_doc/x", &[]).unwrap(), "http://h/es/a/_doc/x");
        assert_eq!(url("http://h", "/a%2Db/%5Fdoc/%2F%20%C3%BC+", &[]).unwrap(), "http://h/a-b/_doc/%2F%20%C3%BC%2B");
        assert_eq!(url("http://h", "/a", &[("q", "a b&c=+"), ("v", "")]).unwrap(), "http://h/a?q=a%20b%26c%3D%2B&v=");
        for dots in ["/a/_doc/..", "/a/_doc/%2E%2e", "/a/./x"] {
            assert!(url("http://h", dots, &[]).is_err(), "{dots}");
        }
    }
}
