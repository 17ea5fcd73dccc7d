//! `store migrate`: creates the store, or brings its schema up to date.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::cli::config_file::ConfigFile;
use crate::cli::context::failed;
use crate::cli::{Exit, Failure, Outcome, Output, progress};
use crate::model::{Clock, LongWork, StoreUrl, size_text};
use crate::store::{MigrationPlan, Store};

/// The role that owns the tables, where the platform's role does not.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Owner {
    /// Migrate as the role that owns the tables, not as that of store.url, with nothing of its password
    #[arg(long, requires = "url")]
    as_owner: bool,
    /// Where and as whom: postgres://OWNER@HOST/DATABASE; without sslmode and sslrootcert, those of store.url
    #[arg(long, value_name = "URL", requires = "as_owner")]
    url: Option<String>,
    /// The file with the owner's password, for this user only
    #[arg(long, value_name = "FILE", requires = "as_owner")]
    password_file: Option<PathBuf>,
}

impl Owner {
    /// The URL to migrate.
    fn url(self, configured: &StoreUrl) -> Result<StoreUrl, Failure> {
        let Some(url) = self.url.filter(|_| self.as_owner).map(StoreUrl::new) else {
            return Ok(configured.clone());
        };
        if !url.is_postgres() || !configured.is_postgres() {
            let text = "--as-owner is for a store on PostgreSQL: a file belongs to the user of the service";
            return Err(Failure::new(Exit::Usage, anyhow::anyhow!(text)));
        }
        let url = url.with_server_trust_of(configured).with_accepted_risks(configured.accepted_risks());
        let url = url.with_schema(configured.schema().clone());
        Ok(match self.password_file {
            Some(file) => url.with_password_file(file),
            None => url,
        })
    }
}

/// What a migration does, or has done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Migration {
    /// Whether nothing was changed.
    dry_run: bool,
    /// Whether there is no store yet.
    creates: bool,
    from: u64,
    to: u64,
    migrations: Vec<Step>,
    rows: u64,
    estimated_seconds: f64,
    size_bytes: u64,
    needed_bytes: u64,
    free_bytes: Option<u64>,
    serving: Vec<Serving>,
    /// Whether other nodes acknowledge nothing after it until they have the new version.
    stops_former_nodes: bool,
    /// How long it took.
    seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Step {
    number: u64,
    name: String,
}

#[derive(Debug, Serialize)]
struct Serving {
    node: String,
    host: String,
    pid: u32,
}

/// Migrates the store of the configuration, or says what that would do.
pub(super) async fn run(
    config: &ConfigFile,
    owner: Owner,
    dry_run: bool,
    output: Output,
    clock: &Clock,
) -> Outcome {
    let config = config.load()?;
    let url = owner.url(&config.store.url)?;
    let began = clock.instant();
    let plan = if dry_run {
        Store::plan_migration(&url).await.map_err(failed)?
    } else {
        // Each migration is one transaction: its end is not known, and that it goes on is shown.
        let work = LongWork::default();
        work.begin("migration", None);
        progress::shown(&work, Store::migrate(&config.store.node, &url)).await?.map_err(failed)?
    };
    let seconds = (!dry_run).then(|| clock.instant().saturating_duration_since(began).as_secs_f64());
    // No other process can serve a file while it is migrated.
    let stops_former_nodes = url.is_postgres() && plan.stops_former_nodes();
    let migration = Migration { stops_former_nodes, ..Migration::new(plan, dry_run, seconds) };
    output.print(&migration, Migration::lines)?;
    Ok(Exit::Done)
}

impl Migration {
    fn new(plan: MigrationPlan, dry_run: bool, seconds: Option<f64>) -> Self {
        let to = plan.migrations.last().map_or(plan.from, |(number, _)| *number);
        let serving = plan.serving.into_iter().map(|holder| Serving {
            node: holder.node.to_string(),
            host: holder.host,
            pid: holder.pid,
        });
        Self {
            dry_run,
            creates: plan.creates,
            from: plan.from,
            to,
            rows: plan.rows,
            estimated_seconds: plan.estimated.as_secs_f64(),
            size_bytes: plan.size,
            needed_bytes: plan.needed,
            free_bytes: plan.free,
            serving: serving.collect(),
            stops_former_nodes: false,
            migrations: plan.migrations.into_iter().map(|(number, name)| Step { number, name }).collect(),
            seconds,
        }
    }

    fn lines(&self) -> String {
        if self.migrations.is_empty() {
            return format!("the schema is up to date (migration {})", self.to);
        }
        let mut lines = Vec::new();
        if self.creates {
            lines.push(format!("creates an empty store with the schema of migration {}", self.to));
        } else {
            let steps = self.migrations.iter().map(|step| format!("{} {}", step.number, step.name));
            lines.push(format!(
                "migrates the schema from {} to {}: {}",
                self.from,
                self.to,
                steps.collect::<Vec<_>>().join(", ")
            ));
            lines.push(format!("rows: {}; estimated time: {}", self.rows, time(self.estimated_seconds)));
            lines.push(self.space());
        }
        let serving = self
            .serving
            .iter()
            .map(|one| format!("served now: node {} on host {}, pid {}", one.node, one.host, one.pid));
        lines.extend(serving);
        if self.stops_former_nodes {
            lines.push(FORMER_NODES.to_owned());
        }
        lines.push(match self.seconds {
            None => "nothing was changed (--dry-run)".to_owned(),
            Some(seconds) => format!("done in {}", time(seconds)),
        });
        lines.join("\n")
    }

    fn space(&self) -> String {
        let sizes = format!(
            "space: {} now, at most {} more",
            size_text(self.size_bytes),
            size_text(self.needed_bytes)
        );
        match self.free_bytes {
            Some(free) if free < self.needed_bytes => {
                format!("{sizes}; only {} are free: make room first", size_text(free))
            }
            Some(free) => format!("{sizes}; {} are free", size_text(free)),
            None => format!("{sizes}; see on the server what is free"),
        }
    }
}

const FORMER_NODES: &str = "other nodes: after the migration, a node of the former version may acknowledge nothing until it has \
    the new version; install the new version on all nodes first, and restart the others when this one is ready";

fn time(seconds: f64) -> String {
    if seconds < 1.0 {
        "less than a second".to_owned()
    } else {
        format!("{:?}", Duration::from_secs(seconds as u64))
    }
}
