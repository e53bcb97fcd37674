//! Requests signed for AWS (SigV4).

use std::time::{Duration, SystemTime};

use annals_core::{Error, ErrorKind, Result};
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use reqwest::Url;
use tokio::sync::{Mutex, OnceCell};

use crate::AwsSigning;

/// How long before their end credentials are replaced.
const BEFORE_END: Duration = Duration::from_secs(300);

/// Signs requests.
pub(super) struct Signer {
    config: AwsSigning,
    found: OnceCell<SdkConfig>,
    credentials: Mutex<Option<Credentials>>,
}

/// What is signed of a request.
pub(super) struct Signed<'a> {
    pub(super) method: &'static str,
    pub(super) url: &'a Url,
    pub(super) headers: &'a [(&'static str, &'static str)],
    pub(super) body: &'a [u8],
}

impl Signer {
    /// Fails with `InvalidArgument` where the service is none that is known.
    pub(super) fn new(config: &AwsSigning) -> Result<Self> {
        match config.service.as_deref() {
            None | Some("es" | "aoss") => {}
            Some(other) => {
                let message = format!("requests are signed for 'es' or 'aoss', and not for '{other}'.");
                return Err(Error::invalid(message));
            }
        }
        Ok(Self { config: config.clone(), found: OnceCell::new(), credentials: Mutex::new(None) })
    }

    /// The headers that sign a request.
    pub(super) async fn headers(&self, request: &Signed<'_>) -> Result<Vec<(&'static str, String)>> {
        let region = self.region().await?;
        let credentials = self.credentials().await?;
        let mut settings = SigningSettings::default();
        // Serverless wants the body's hash in a header too.
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        signature(settings, request, &credentials, &region, self.service(), SystemTime::now())
    }

    fn service(&self) -> &str {
        self.config.service.as_deref().unwrap_or("es")
    }

    /// What AWS's environment, files and services say.
    async fn found(&self) -> &SdkConfig {
        let load = async || {
            // Not the chain's last resort, which asks a machine's metadata and waits long where there is none.
            let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
                .or_else(ProfileFileRegionProvider::new());
            let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
            aws_config::defaults(BehaviorVersion::latest()).http_client(http).region(region).load().await
        };
        self.found.get_or_init(load).await
    }

    async fn region(&self) -> Result<String> {
        if let Some(region) = &self.config.region {
            return Ok(region.clone());
        }
        let region = self.found().await.region().map(ToString::to_string);
        region.ok_or_else(|| {
            Error::invalid(
                "requests are to be signed for AWS, and no region is known: give one, or set AWS_REGION or the profile's.",
            )
        })
    }

    async fn credentials(&self) -> Result<Credentials> {
        if let Some((id, secret, token)) = &self.config.credentials {
            return Ok(Credentials::new(id, secret, token.clone(), None, "given"));
        }
        // Who waits for it finds what the first one got.
        let mut kept = self.credentials.lock().await;
        if let Some(credentials) = kept.as_ref().filter(|credentials| !ends(credentials)) {
            return Ok(credentials.clone());
        }
        let none = || {
            Error::new(
                ErrorKind::Connection,
                "AWS's credentials can't be found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in \
                 AWS_PROFILE, or give the machine a role.",
            )
            .retryable(false)
        };
        let provider = self.found().await.credentials_provider().ok_or_else(none)?;
        let credentials = provider.provide_credentials().await.map_err(|e| none().with_source(e))?;
        *kept = Some(credentials.clone());
        Ok(credentials)
    }
}

fn ends(credentials: &Credentials) -> bool {
    credentials.expiry().is_some_and(|end| end < SystemTime::now() + BEFORE_END)
}

fn signature(
    settings: SigningSettings,
    request: &Signed<'_>,
    credentials: &Credentials,
    region: &str,
    service: &str,
    time: SystemTime,
) -> Result<Vec<(&'static str, String)>> {
    // None of what can be wrong here is said with a secret.
    let unsigned = |reason: String| Error::invalid(format!("the request can't be signed for AWS: {reason}."));
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(time)
        .settings(settings)
        .build()
        .map_err(|e| unsigned(e.to_string()))?;
    let headers = request.headers.iter().copied();
    let signable =
        SignableRequest::new(request.method, request.url.as_str(), headers, SignableBody::Bytes(request.body))
            .map_err(|e| unsigned(e.to_string()))?;
    let signed = sign(signable, &params.into()).map_err(|e| unsigned(e.to_string()))?;
    let (headers, _) = signed.into_parts().0.into_parts();
    Ok(headers.iter().map(|header| (header.name(), header.value().to_owned())).collect())
}

#[cfg(test)]
mod tests;
