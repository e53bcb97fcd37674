//! DynamoDB's client, and calls that are repeated where that helps.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use annals_core::{Error, ErrorKind, Result};
use aws_config::BehaviorVersion;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client as Sdk;
use aws_sdk_dynamodb::config::Region;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::DynamoConfig;
use crate::config::shown;
use crate::error::{Failed, closed, from_sdk, may_pass};

/// The region that node-eventstore's users have where they say nothing.
const REGION: &str = "us-west-2";
/// The first wait before a call is repeated; each further one may be twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(25);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The way to DynamoDB, until the store is closed.
pub(crate) struct Client {
    link: RwLock<Option<Link>>,
    /// Where it leads, without what may be secret.
    address: String,
}

/// DynamoDB's client, and how often a call is tried.
#[derive(Clone)]
pub(crate) struct Link {
    sdk: Sdk,
    attempts: u32,
}

impl Client {
    pub(crate) async fn open(config: &DynamoConfig) -> Self {
        let endpoint = config.chosen_endpoint();
        // Trusted certificates take a while to read. Only credentials could be asked for over TLS then.
        let is_plain = endpoint.as_ref().is_some_and(|url| url.starts_with("http:")) && config.credentials.is_some();
        let http = match is_plain {
            true => Builder::new().build_http(),
            false => Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https(),
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(config.timeout)
            .operation_attempt_timeout(config.response_timeout)
            .build();
        let mut of_profile = ProfileFileRegionProvider::builder();
        if let Some(profile) = &config.profile {
            of_profile = of_profile.profile_name(profile);
        }
        // Not the chain's last resort, which asks a machine's metadata and waits long where there is none.
        let region = RegionProviderChain::first_try(config.region.clone().map(Region::new))
            .or_else(EnvironmentVariableRegionProvider::new())
            .or_else(of_profile.build())
            .or_else(Region::new(REGION));
        // Calls are repeated here, where it is known what a repeated call means.
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled())
            .region(region);
        if let Some(profile) = &config.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(endpoint) = endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(given) = &config.credentials {
            let (id, secret) = (&given.access_key_id, &given.secret_access_key);
            loader =
                loader.credentials_provider(Credentials::new(id, secret, given.session_token.clone(), None, "given"));
        }
        let loaded = loader.load().await;
        let of_aws = || format!("DynamoDB in {}", loaded.region().map_or(REGION, |region| region.as_ref()));
        let address = config.chosen_endpoint().as_deref().map_or_else(of_aws, shown);
        let link = Link { sdk: Sdk::new(&loaded), attempts: config.attempts };
        Self { link: RwLock::new(Some(link)), address }
    }

    /// What failed calls say further: what was called, and where DynamoDB was looked for if it wasn't found.
    pub(crate) fn told(&self, operation: &'static str) -> impl Fn(Error) -> Error + '_ {
        move |error| {
            let error = error.in_operation(operation);
            match error.kind() {
                ErrorKind::Connection | ErrorKind::Timeout => error.with_context("endpoint", &self.address),
                _ => error,
            }
        }
    }

    /// Fails with `Connection` where the store is closed.
    pub(crate) fn link(&self) -> Result<Link> {
        self.link.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)
    }

    pub(crate) fn close(&self) -> Result<()> {
        self.link.write().unwrap_or_else(PoisonError::into_inner).take().map(drop).ok_or_else(closed)
    }
}

impl Link {
    /// Calls, again where that may help.
    pub(crate) async fn call<T, E, F>(&self, send: impl Fn(&Sdk) -> F) -> Result<T, Failed<E>>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, Failed<E>>>,
    {
        self.call_while(send, may_pass).await
    }

    /// Calls, again where the error is one of those that pass.
    pub(crate) async fn call_while<T, E, F>(
        &self,
        send: impl Fn(&Sdk) -> F,
        passes: impl Fn(&Failed<E>) -> bool,
    ) -> Result<T, Failed<E>>
    where
        F: Future<Output = Result<T, Failed<E>>>,
    {
        let mut pause = Pause::default();
        for _ in 1..self.attempts {
            match send(&self.sdk).await {
                Err(error) if passes(&error) => pause.wait().await,
                outcome => return outcome,
            }
        }
        send(&self.sdk).await
    }

    /// Calls, again where that may help; what fails is an error of ours.
    pub(crate) async fn ask<T, E, F>(&self, send: impl Fn(&Sdk) -> F) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        F: Future<Output = Result<T, Failed<E>>>,
    {
        self.call(send).await.map_err(from_sdk)
    }
}

/// Waits between tries: at random, up to twice as long each time.
pub(crate) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST_WAIT)
    }
}

impl Pause {
    pub(crate) async fn wait(&mut self) {
        let wait = self.0.mul_f64(fastrand::f64());
        self.0 = (self.0 * 2).min(LONGEST_WAIT);
        tokio::time::sleep(wait).await;
    }
}
