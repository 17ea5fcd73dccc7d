//! The arguments of `init`.

use std::path::PathBuf;

use clap::Args;

/// Options of `init`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Folder of the site; it must be new or empty
    #[arg(value_name = "DIR", required_unless_present = "system")]
    pub(super) dir: Option<PathBuf>,
    /// The site of an installed package: /etc/pcd-platform, /var/lib/pcd-platform and its account
    #[arg(long, conflicts_with = "dir")]
    pub(super) system: bool,
    /// Name of the hospital: in certificate requests (O) and in messages to devices (MSH-4)
    #[arg(long, value_name = "NAME")]
    pub(super) site: Option<SiteName>,
    /// DNS name or IP address by which devices reach the platform; may be given several times
    #[arg(long = "host", value_name = "NAME")]
    pub(super) hosts: Vec<String>,
    /// Account of this machine that gets every role; may be given several times
    #[arg(long = "admin", value_name = "ACCOUNT", value_parser = account)]
    pub(super) admins: Vec<String>,
    /// Where the certificates come from
    #[arg(long, value_name = "SOURCE", default_value = "test")]
    pub(super) pki: Source,
}

/// A name that an account of Debian can have.
fn account(text: &str) -> Result<String, &'static str> {
    let is_usual = |character: char| character.is_ascii_alphanumeric() || "._-@".contains(character);
    if text.is_empty() || !text.chars().all(is_usual) {
        return Err("an account has letters, digits and . _ - @");
    }
    Ok(text.to_owned())
}

/// The values of `--pki`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Source {
    /// A PKI of the site's own, for tests and closed networks; with a first device and its message
    Test,
    /// Your CA: keys and certificate requests are made, and certificates put in their places later
    Request,
}

/// A name that can be the value of an X.509 organization (64 characters) and of MSH-4.
#[derive(Debug, Clone)]
pub(super) struct SiteName(String);

impl std::str::FromStr for SiteName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = !text.trim().is_empty() && text.chars().count() <= 64;
        if !fits
            || text.chars().any(|character| character.is_control() || r#"|^~\&"+,;<>="#.contains(character))
        {
            return Err(r#"a name has up to 64 characters, and none of | ^ ~ \ & " + , ; < > ="#);
        }
        Ok(Self(text.to_owned()))
    }
}

impl SiteName {
    /// As an X.509 attribute.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// As MSH-4: what no reader of HL7 stumbles over.
    pub(super) fn facility(&self) -> String {
        let is_safe = |character: &char| character.is_ascii_alphanumeric() || " -_.".contains(*character);
        self.0.chars().filter(is_safe).collect::<String>().trim().to_owned()
    }
}
