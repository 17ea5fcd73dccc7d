//! Reading and checking the file.

use std::path::Path;

use super::error::{ConfigError, Problem};
use super::overrides::Overrides;
use super::schema::Config;
use super::syntax_error::SyntaxError;
use super::validate;
use super::values::Values;

impl Config {
    /// Reads and checks `file`. Relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, has unknown keys, or holds values that cannot work; of the
    /// last kind all are reported at once.
    pub fn load(file: &Path, overrides: &Overrides) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
        Self::parse(&text, file, overrides)
    }

    /// Checks `text` as the content of `file`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, file: &Path, overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let source = SyntaxError::new(error, text);
            ConfigError::Syntax { file: file.to_owned(), source }
        })?;
        file.clone_into(&mut config.file);
        let node = overrides.apply(&mut config).map(|what| Problem { key: "store.node", what });
        config.values = Values::new(&config);
        let mut problems = validate::validate(&mut config, overrides.credentials_directory.as_deref());
        problems.extend(node);
        if problems.is_empty() {
            return Ok(config);
        }
        validate::sort(&mut problems);
        Err(ConfigError::Invalid { file: config.file, problems })
    }
}
