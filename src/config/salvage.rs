//! Where the platform is, by a file that cannot be used as a whole.
//!
//! A mistake in one line must not hide the platform that runs: what the other lines say of its socket, its
//! node and its store is read all the same.

use std::path::{Path, PathBuf};

use super::Overrides;
use super::admin::AdminSocket;
use super::audit::Audit;
use crate::model::{NodeName, StoreUrl};

/// What the usable lines of a file say; defaults where they say nothing. Paths are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// `admin.socket`.
    pub socket: AdminSocket,
    /// `audit.state-directory`.
    pub state_directory: PathBuf,
    /// `store.node`.
    pub node: NodeName,
    /// `store.url`, where it is written.
    pub store_url: Option<StoreUrl>,
}

impl Salvaged {
    /// Reads `file` as far as possible; a file that cannot be read is as good as an empty one.
    #[must_use]
    pub fn read(file: &Path, overrides: &Overrides) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        Self::parse(&text, file, overrides)
    }

    fn parse(text: &str, file: &Path, overrides: &Overrides) -> Self {
        let folder = file.parent().unwrap_or(Path::new(""));
        let table = usable(text);
        let written =
            |section: &str, key: &str| table.get(section)?.get(key)?.as_str().map(ToOwned::to_owned);
        let socket = match written("admin", "socket").as_deref() {
            None | Some("default") => AdminSocket::Beside,
            Some("none") => AdminSocket::None,
            Some(path) => AdminSocket::At(folder.join(path)),
        };
        let state = written("audit", "state-directory")
            .map_or_else(|| Audit::default().state_directory, PathBuf::from);
        let node = overrides.node.clone().or_else(|| written("store", "node"));
        Self {
            socket,
            state_directory: folder.join(state),
            node: node.and_then(|name| name.parse().ok()).unwrap_or_else(NodeName::from_hostname),
            store_url: written("store", "url").map(|url| StoreUrl::new(url).within(folder)),
        }
    }
}

/// The lines of the text that are TOML: each line with a mistake is left out.
fn usable(text: &str) -> toml::Table {
    let mut text = text.to_owned();
    for _ in 0..MAX_MISTAKES {
        let span = match text.parse::<toml::Table>() {
            Ok(table) => return table,
            Err(error) => error.span(),
        };
        let Some(span) = span else { break };
        let begin = text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let end = text.get(span.end.max(begin)..).and_then(|rest| rest.find('\n'));
        let end = end.map_or(text.len(), |at| span.end.max(begin) + at + 1);
        if begin >= end {
            break;
        }
        text.replace_range(begin..end, "");
    }
    toml::Table::new()
}

/// Lines with mistakes that are left out.
const MAX_MISTAKES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_mistakes_do_not_hide_where_the_platform_is() {
        let text = "nonsense = \n[admin]\nsocket = \"run/a.sock\"\nlisten = 12..5\n[audit]\nstate-directory = \"state\"\n\
                    state-directory = \"twice\"\n[store]\nnode = \"ward-7\"\nurl = \"sqlite:data/p.db\"\nretain-messages = \"\n";
        let found = Salvaged::parse(text, Path::new("/etc/x/platform.toml"), &Overrides::default());
        let expected = Salvaged {
            socket: AdminSocket::At("/etc/x/run/a.sock".into()),
            state_directory: "/etc/x/state".into(),
            node: "ward-7".parse().unwrap(),
            store_url: Some(StoreUrl::new("sqlite:/etc/x/data/p.db")),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn without_a_usable_line_the_defaults_count() {
        let found = Salvaged::parse("\u{0}", Path::new("c/platform.toml"), &Overrides::default());
        assert_eq!((found.socket, found.state_directory), (AdminSocket::Beside, "c/data/audit".into()));
        assert_eq!(found.store_url, None);
    }
}
