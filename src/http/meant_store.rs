//! The store that the sender of a request means.
//!
//! A command finds the platform by its socket, and the configuration that it has read may name another store:
//! that of a restore drill, say. So it says in a header which store it means, and the platform does nothing
//! for a command that means another one. Requests without the header mean the platform that they reach: those
//! of commands of earlier versions, of browsers and of probes. Earlier versions of the platform ignore it.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::AdminState;
use super::person::Person;
use super::problem::Problem;
use crate::config::Overrides;
use crate::store::{FilePlace, Sameness, StorePlace};

/// The header: JSON in base64, because a path may have any character.
pub const STORE_HEADER: HeaderName = HeaderName::from_static("pcd-store");

/// The store that a command means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MeantStore {
    /// Where it is.
    pub place: StorePlace,
    /// The file of the configuration that names it; `None`: the environment does.
    #[serde(default)]
    pub named_by: Option<FilePlace>,
}

impl MeantStore {
    /// As the header has it; `None` when a path is no UTF-8.
    #[must_use]
    pub fn to_header(&self) -> Option<HeaderValue> {
        let json = serde_json::to_vec(self).ok()?;
        HeaderValue::try_from(STANDARD.encode(json)).ok()
    }

    fn from_header(value: &HeaderValue) -> Option<Self> {
        serde_json::from_slice(&STANDARD.decode(value).ok()?).ok()
    }

    /// Whether the command means the platform of this configuration file, whose store the environment of the
    /// platform names and not the file. The environment of a service is not that of a person's shell.
    async fn is_overridden(&self, state: &AdminState) -> bool {
        let Some(theirs) = self.named_by.clone() else { return false };
        if Overrides::from_environment().store_url.is_none() {
            return false;
        }
        let file = state.config.load().file.clone();
        let same = tokio::task::spawn_blocking(move || FilePlace::new(&file).is(&theirs));
        same.await.unwrap_or(false)
    }
}

/// Refuses a request whose sender means another store. Only people with a role learn where the store is.
pub(super) async fn require(State(state): State<AdminState>, request: Request, next: Next) -> Response {
    let is_person = request.extensions().get::<Person>().is_some();
    let refused = match request.headers().get(STORE_HEADER).filter(|_| is_person) {
        Some(value) => compare(value, &state).await.err(),
        None => None,
    };
    match refused {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

async fn compare(value: &HeaderValue, state: &AdminState) -> Result<(), Problem> {
    let meant = MeantStore::from_header(value)
        .ok_or_else(|| Problem::bad_request("the header pcd-store cannot be understood"))?;
    // One that is served was understood at the start.
    let Some(own) = state.store.place() else { return Ok(()) };
    let doubt = match own.compare(&meant.place).await {
        Sameness::Same => return Ok(()),
        Sameness::Another => "",
        Sameness::Unclear => "; whether both names lead to one database is not known",
    };
    if meant.is_overridden(state).await {
        return Ok(());
    }
    let source = match &meant.named_by {
        Some(file) => file.path.display().to_string(),
        None => "PCD_STORE_URL".to_owned(),
    };
    Err(Problem::another_store(format!(
        "{source} names {}, and the platform that serves this socket has {own}{doubt}; nothing was done: to open the \
         named store itself, add --offline; to ask the running platform, name its configuration with --config, or \
         add --running",
        meant.place
    )))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_header_holds_any_path_and_no_password() {
        let url = crate::model::StoreUrl::new("postgres://pcd:s3cret@db/pcd");
        let meant = MeantStore {
            place: StorePlace::of(&url).unwrap(),
            named_by: Some(FilePlace::new(Path::new("/srv/Krankenhaus Süd/platform.toml"))),
        };
        let header = meant.to_header().unwrap();
        assert_eq!(MeantStore::from_header(&header), Some(meant));
        let json = STANDARD.decode(&header).unwrap();
        assert!(!String::from_utf8(json).unwrap().contains("s3cret"));
        assert_eq!(MeantStore::from_header(&HeaderValue::from_static("e30=")), None);
    }
}
