//! Pseudonyms in the place of Common Names.

use std::collections::{HashMap, HashSet};

use anyhow::anyhow;
use serde::Deserialize;

use crate::cli::doctor::Subject;
use crate::cli::{Exit, Failure, admin_client, context};
use crate::config::Config;
use crate::model::Clock;
use crate::store::{AuditFilter, OwnChain, Page, RefusedRoom, RefusedRow, Store, StoreError};

/// `device-1` for the first device of the directory, and so on.
pub(super) struct Pseudonyms {
    /// Names that are one word.
    words: HashMap<String, String>,
    /// All others, the longest first.
    others: Vec<(String, String)>,
}

/// A device, as the API has it.
#[derive(Debug, Deserialize)]
struct Named {
    cn: String,
}

impl Pseudonyms {
    /// Of the devices of the directory.
    ///
    /// # Errors
    /// When it cannot be read: without it no name is known.
    pub(super) async fn of(subject: &Subject, clock: &Clock) -> Result<Self, Failure> {
        match subject {
            Subject::Whole(config, _) => Self::in_store(config, clock).await,
            Subject::Running(_, target) => {
                let answer = admin_client::get(target, "/api/devices").await?;
                let devices: Vec<Named> = serde_json::from_slice(&answer)
                    .map_err(|error| anyhow::Error::new(error).context("/api/devices"))?;
                Ok(Self::new(devices.into_iter().map(|device| device.cn)))
            }
            // Their names may be in the log all the same.
            Subject::Nothing(fault) => Err(Failure::new(
                Exit::Config,
                anyhow!(
                    "--redact has to read the names of devices from the store or the running platform: {}",
                    fault.in_one_line()
                ),
            )),
        }
    }

    async fn in_store(config: &Config, clock: &Clock) -> Result<Self, Failure> {
        let chain = OwnChain::containing(config.store.node.clone(), None);
        let opened = Store::open_to_read(chain, &config.store.url, clock.clone()).await;
        let store = opened.map_err(context::failed)?;
        let names = Self::names(&store).await.map_err(context::failed);
        store.close().await;
        Ok(Self::new(names?.into_iter()))
    }

    /// The devices of the directory, then those that were removed from it, those that were refused with a
    /// certificate of an installed root, and those that were heard through a gateway: each once.
    async fn names(store: &Store) -> Result<Vec<String>, StoreError> {
        let mut names: Vec<_> =
            store.devices().await?.iter().map(|device| device.id.as_str().to_owned()).collect();
        let removed = AuditFilter {
            event: Some("device-removed".to_owned()),
            device: None,
            since: None,
            page: Page::Latest,
            limit: MAX_REMOVED,
        };
        for row in store.audit_rows(&removed).await? {
            let details: serde_json::Value = serde_json::from_str(&row.details).unwrap_or_default();
            names.extend(details.get("device").and_then(|name| name.as_str()).map(str::to_owned));
        }
        for RefusedRow { room, who, device, .. } in store.refused().await? {
            names.extend(device.map(|device| device.as_str().to_owned()));
            names.extend((room == RefusedRoom::Verified).then_some(who));
        }
        // Devices behind gateways, which findings name.
        names.extend(store.feeds().await?.into_iter().filter_map(|feed| feed.identity));
        let mut known = HashSet::new();
        names.retain(|name| !name.is_empty() && known.insert(name.clone()));
        Ok(names)
    }

    fn new(names: impl Iterator<Item = String>) -> Self {
        let all = names.zip(1..).map(|(name, number)| (name, format!("device-{number}")));
        let (words, mut others): (Vec<_>, Vec<_>) = all.partition(|(name, _)| name.chars().all(is_part));
        others.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self {
            words: words.into_iter().map(|(name, pseudonym)| (folded(&name), pseudonym)).collect(),
            others,
        }
    }

    /// Replaces each name.
    pub(super) fn apply(&self, text: &mut String) {
        for (name, pseudonym) in &self.others {
            *text = text.replace(name.as_str(), pseudonym);
        }
        let mut shown = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(start) = rest.find(is_part) {
            let (before, word) = rest.split_at(start);
            let (word, behind) = word.split_at(word.find(|letter| !is_part(letter)).unwrap_or(word.len()));
            shown.push_str(before);
            shown.push_str(self.words.get(&folded(word)).map_or(word, String::as_str));
            rest = behind;
        }
        shown.push_str(rest);
        *text = shown;
    }
}

/// A word in one case where it has a digit: an EUI-64 has several spellings. Other words may be the name of a
/// device in one case and a word of the log in the other.
fn folded(word: &str) -> String {
    if word.contains(|letter: char| letter.is_ascii_digit()) { word.to_uppercase() } else { word.to_owned() }
}

/// Whether a letter can be part of a name of one word. What ends a sentence is none.
fn is_part(letter: char) -> bool {
    letter.is_alphanumeric() || "-_".contains(letter)
}

/// Removed devices whose names are replaced: the last ones.
const MAX_REMOVED: u32 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::Device;
    use crate::cli::operator::operator;
    use crate::model::DeviceId;
    use crate::store::{Feed, Observations};

    #[tokio::test]
    async fn devices_that_were_heard_through_a_gateway_have_pseudonyms_too() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("platform.db").display());
        let store = Store::open(&url, Clock::system()).await.unwrap();
        let gateway = DeviceId::parse("GATEWAY-1").unwrap();
        store.add_device(Device::new(gateway.clone()), &operator()).await.unwrap();
        let feed = Feed {
            via: gateway,
            identity: Some("0253494D80000200".to_owned()),
            node: store.node().clone(),
            last: Clock::system().now(),
            pause: None,
            heartbeat: None,
            is_silent: true,
            has_left: false,
        };
        let seen = Observations { feeds: vec![feed], ..Observations::default() };
        store.record_observations(seen).await.unwrap();
        let mut text = "device-silent subject=device 0253494d80000200 through GATEWAY-1".to_owned();
        Pseudonyms::new(Pseudonyms::names(&store).await.unwrap().into_iter()).apply(&mut text);
        assert_eq!(text, "device-silent subject=device device-2 through device-1");
        store.close().await;
    }

    #[test]
    fn names_of_devices_become_pseudonyms_and_other_words_stay() {
        let names = ["GATEWAY-1", "00A037", "00:A0:37"].map(str::to_owned);
        let mut text = r#"{"name":"GATEWAY-1"} GATEWAY-12 CN=00A037: é device:00a037. 00:A0:37"#.to_owned();
        Pseudonyms::new(names.into_iter()).apply(&mut text);
        assert_eq!(text, r#"{"name":"device-1"} GATEWAY-12 CN=device-2: é device:device-2. device-3"#);
    }
}
