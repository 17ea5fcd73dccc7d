//! The name of a node.

use std::fmt;
use std::str::FromStr;

/// The name of a node among those that share a store: 1 to 64 letters, digits, `.`, `-` and `_`.
///
/// Each node keeps an audit chain under its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName(String);

/// A text that cannot be the name of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a node has 1 to 64 letters, digits, '.', '-' and '_'")]
pub struct NodeNameError;

impl NodeName {
    /// The host name of this machine; `_` replaces forbidden characters.
    #[must_use]
    pub fn from_hostname() -> Self {
        let host = rustix::system::uname();
        let name = host.nodename().to_string_lossy();
        let name: String =
            name.chars().take(MAX_LENGTH).map(|c| if is_allowed(c) { c } else { '_' }).collect();
        Self(if name.is_empty() { "localhost".to_owned() } else { name })
    }

    /// The name with the fewest changes: `_` replaces forbidden characters, and what is too long is cut. For
    /// texts of the database that are no names.
    #[must_use]
    pub fn lossy(text: &str) -> Self {
        let name = text.chars().take(MAX_LENGTH).map(|c| if is_allowed(c) { c } else { '_' }).collect();
        Self(if text.is_empty() { "_".to_owned() } else { name })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=MAX_LENGTH).contains(&text.len()) && text.chars().all(is_allowed);
        if fits { Ok(Self(text.to_owned())) } else { Err(NodeNameError) }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

const MAX_LENGTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_name_has_plain_characters() {
        assert_eq!("ward-7.example_a".parse::<NodeName>().unwrap().as_str(), "ward-7.example_a");
        for wrong in ["", "two words", "ä", "a/b", &"x".repeat(65)] {
            assert_eq!(wrong.parse::<NodeName>(), Err(NodeNameError), "{wrong}");
        }
        let host = NodeName::from_hostname();
        assert_eq!(host.as_str().parse(), Ok(host.clone()));
    }
}
