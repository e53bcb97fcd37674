//! What DynamoDB answers as annals' errors.

use annals_core::{Error, ErrorKind, is_caused_by};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::DispatchFailure;

/// A failed call.
pub(crate) type Failed<E> = SdkError<E, HttpResponse>;

/// What DynamoDB says when it is asked for more than it is provisioned for.
const THROTTLED: [&str; 5] = [
    "ProvisionedThroughputExceededException",
    "ProvisionedThroughputExceeded",
    "ThrottlingException",
    "ThrottlingError",
    "RequestLimitExceeded",
];

/// … when others are at the same items, or it has to recover.
const PASSING: [&str; 4] =
    ["TransactionConflict", "TransactionConflictException", "TransactionInProgressException", "InternalServerError"];

fn passes(code: &str) -> bool {
    THROTTLED.contains(&code) || PASSING.contains(&code)
}

/// Whether the connection failed in a way that may pass.
fn is_lost(failure: &DispatchFailure) -> bool {
    !is_untrusted(failure) && (failure.is_io() || failure.as_other().is_some())
}

/// Whether the connection failed because of the server's certificate.
fn is_untrusted(failure: &DispatchFailure) -> bool {
    failure.as_connector_error().is_some_and(|error| {
        is_caused_by(error, |cause| matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))))
    })
}

/// Whether the same call may succeed in a moment.
pub(crate) fn may_pass<E: ProvideErrorMetadata>(error: &Failed<E>) -> bool {
    match error {
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        SdkError::DispatchFailure(failure) => is_lost(failure) || failure.is_timeout(),
        SdkError::ServiceError(refused) => {
            refused.raw().status().is_server_error() || refused.err().code().is_some_and(passes)
        }
        _ => false,
    }
}

/// Why a transaction was cancelled, item by item; `None` where it failed otherwise.
pub(crate) fn reasons(error: &Failed<TransactWriteItemsError>) -> Option<&[CancellationReason]> {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            Some(cancelled.cancellation_reasons())
        }
        _ => None,
    }
}

/// Whether an item's condition didn't hold.
pub(crate) fn is_condition(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

/// Whether a cancelled transaction may go through in a moment.
pub(crate) fn is_passing(reasons: &[CancellationReason]) -> bool {
    !reasons.iter().any(is_condition) && reasons.iter().any(|reason| reason.code().is_some_and(passes))
}

/// What a failed call becomes.
pub(crate) fn from_sdk<E>(error: Failed<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default().to_owned();
    let (kind, message, retryable) = match &error {
        SdkError::TimeoutError(_) => (
            ErrorKind::Timeout,
            "DynamoDB did not answer in time. A commit may be there: repeat it with the same id.",
            true,
        ),
        SdkError::DispatchFailure(failure) if is_untrusted(failure) => (
            ErrorKind::Connection,
            "DynamoDB's certificate is not one that this machine trusts: is the endpoint right? An authority of your own is \
             trusted where the machine trusts it, or where SSL_CERT_FILE names its file.",
            false,
        ),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (ErrorKind::Timeout, "DynamoDB can't be reached in time: are the endpoint and the region right?", true)
        }
        SdkError::DispatchFailure(failure) if is_lost(failure) => (
            ErrorKind::Connection,
            "the connection to DynamoDB failed or was lost. A commit may be there: repeat it with the same id.",
            true,
        ),
        SdkError::ResponseError(_) => (
            ErrorKind::Connection,
            "DynamoDB's answer was cut short. A commit may be there: repeat it with the same id.",
            true,
        ),
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => (
            ErrorKind::Connection,
            "DynamoDB can't be asked: are there credentials (environment, profile, SSO, container or instance role), and \
             is the endpoint a URL?",
            false,
        ),
        _ if THROTTLED.contains(&&*code) => (
            ErrorKind::Backend,
            "DynamoDB throttles: more was asked for than the tables are provisioned for. Raise their capacity, or bill on \
             demand. A commit may be there: repeat it with the same id.",
            true,
        ),
        _ if code == "ResourceNotFoundException" => {
            (ErrorKind::Backend, "a table is not there (any more): open the store again, which makes it.", false)
        }
        _ if code == "AccessDeniedException" => {
            (ErrorKind::Backend, "DynamoDB doesn't let these credentials do that: see docs/formats/dynamodb.md.", false)
        }
        _ if code.contains("UnrecognizedClient") || code.contains("Token") || code.contains("Signature") => {
            (ErrorKind::Connection, "DynamoDB doesn't accept the credentials: check them, and the clock.", false)
        }
        SdkError::ServiceError(refused) if refused.raw().status().is_server_error() => {
            (ErrorKind::Backend, "DynamoDB failed. A commit may be there: repeat it with the same id.", true)
        }
        _ => (ErrorKind::Backend, "DynamoDB refused.", may_pass(&error)),
    };
    Error::new(kind, message).retryable(retryable).with_source(error)
}

/// What a call that others were faster at for too long becomes.
pub(crate) fn crowded(what: &str) -> Error {
    let message = format!("{what}: too many others write there at once. Repeat it with the same id.");
    Error::new(ErrorKind::Backend, message).retryable(true)
}

/// What a call to a store that is closed fails with.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Connection, "the DynamoDB store is closed: open it again.").retryable(false)
}

/// Stored data that can't be read.
pub(crate) fn damaged(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, what)
}
