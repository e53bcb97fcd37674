//! The hosts, and which of them is to be asked.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use annals_core::{Error, Result};
use percent_encoding::percent_decode_str;
use reqwest::Url;

/// How long a host that failed is asked after all others.
const REST: Duration = Duration::from_secs(30);

/// The hosts, each in its turn.
pub(super) struct Hosts {
    hosts: Vec<Host>,
    turn: AtomicUsize,
    began: Instant,
}

/// A host.
pub(super) struct Host {
    /// Where it is, with the path that it is under, without user and password.
    pub(super) url: Url,
    /// The user and the password that its URL has.
    pub(super) user: Option<(String, String)>,
    /// Until when it rests, in milliseconds since the beginning.
    rests_until: AtomicU64,
}

impl Hosts {
    /// Fails with `InvalidArgument` where one of the URLs is none.
    pub(super) fn new(urls: &[String]) -> Result<Self> {
        let hosts = urls.iter().map(|url| Host::new(url)).collect::<Result<Vec<_>>>()?;
        match hosts.is_empty() {
            true => Err(Error::invalid("there is no host: give the URL of one, e.g. http://localhost:9200.")),
            false => Ok(Self { hosts, turn: AtomicUsize::new(0), began: Instant::now() }),
        }
    }

    /// All of them, in the order to try them in: the next one first, those that failed a moment ago last.
    pub(super) fn in_turn(&self) -> Vec<&Host> {
        let now = self.now();
        let (before, after) = self.hosts.split_at(self.turn.fetch_add(1, Relaxed) % self.hosts.len());
        let (resting, awake): (Vec<_>, Vec<_>) =
            after.iter().chain(before).partition(|host| host.rests_until.load(Relaxed) > now);
        awake.into_iter().chain(resting).collect()
    }

    /// Lets a host rest that failed.
    pub(super) fn failed(&self, host: &Host) {
        let rest = u64::try_from(REST.as_millis()).unwrap_or(u64::MAX);
        host.rests_until.store(self.now() + rest, Relaxed);
    }

    /// Takes a host back that has answered.
    pub(super) fn answered(host: &Host) {
        host.rests_until.store(0, Relaxed);
    }

    /// Whether one of them is asked over TLS.
    pub(super) fn any_secure(&self) -> bool {
        self.hosts.iter().any(|host| host.url.scheme() == "https")
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Without users and passwords.
impl std::fmt::Debug for Hosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.hosts.iter().map(Host::shown)).finish()
    }
}

impl Host {
    fn new(url: &str) -> Result<Self> {
        // The URL itself never stands in an error: it may have a secret.
        let wrong = || Error::invalid("a host is a URL as http://localhost:9200 is one, with http: or https:.");
        let mut url = Url::parse(url).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong());
        }
        let user = url.password().map(|password| (decoded(url.username()), decoded(password)));
        if user.is_none() && !url.username().is_empty() {
            return Err(Error::invalid("a host's URL has a user without a password: give both, or none."));
        }
        // Neither fails for a URL that has a host, as those of http do.
        let _ = url.set_password(None);
        let _ = url.set_username("");
        Ok(Self { url, user, rests_until: AtomicU64::new(0) })
    }

    /// What may be shown of it.
    pub(super) fn shown(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn order(hosts: &Hosts) -> String {
        hosts.in_turn().iter().map(|host| host.url.host_str().unwrap()).collect()
    }

    #[test]
    fn hosts_take_turns_and_those_that_failed_come_last() {
        let hosts = Hosts::new(&["http://a".into(), "http://b".into(), "http://c".into()]).unwrap();
        assert_eq!([order(&hosts), order(&hosts), order(&hosts), order(&hosts)], ["abc", "bca", "cab", "abc"]);
        hosts.failed(&hosts.hosts[2]);
        assert_eq!([order(&hosts), order(&hosts)], ["bac", "abc"]);
        Hosts::answered(&hosts.hosts[2]);
        assert_eq!(order(&hosts), "abc");
    }

    #[test]
    fn secrets_of_hosts_are_taken_out_of_what_is_shown() {
        let host = Host::new("https://ann:s%40cret@search:9200/es/").unwrap();
        assert_eq!(host.shown(), "https://search:9200/es");
        assert_eq!(host.user, Some(("ann".into(), "s@cret".into())));
        for url in ["search:s3cret", "ftp://a:s3cret@search", "http://s3cret@search", "http://search?s3cret", "s3cret"]
        {
            let error = Host::new(url).err().unwrap();
            assert!(!format!("{error:?} {error}").contains("s3cret"), "{error:?}");
        }
    }
}
