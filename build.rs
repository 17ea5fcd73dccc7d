//! What the program carries with it: the list of migrations (`src/store/migration/embedded.rs`), and the
//! description of the API, compressed (`src/http/api_file.rs`).
//!
//! `sqlx::migrate!` would list the migrations, and would compile both database libraries, TLS and SQLite a
//! second time, for the compiler's own use.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    std::fs::write(Path::new(&out).join("migrations.rs"), migrations()?)?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/openapi.json");
    println!("cargo::rerun-if-changed={}", file.display());
    let mut compressed = ZlibEncoder::new(Vec::new(), Compression::best());
    compressed.write_all(&std::fs::read(file)?)?;
    Ok(std::fs::write(Path::new(&out).join("openapi.json.zlib"), compressed.finish()?)?)
}

/// The list of the migrations, as Rust.
fn migrations() -> Result<String, Box<dyn Error>> {
    let mut list = String::new();
    for kind in ["sqlite", "postgres"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(kind);
        println!("cargo::rerun-if-changed={}", folder.display());
        let entries = std::fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path()));
        let mut files = entries.collect::<Result<Vec<_>, _>>()?;
        files.sort();
        writeln!(list, "pub(in crate::store) const {}: &[Embedded] = &[", kind.to_uppercase())?;
        for file in files.iter().filter(|file| file.extension().is_some_and(|kind| kind == "sql")) {
            let name = file.file_stem().and_then(|name| name.to_str());
            let (number, words) =
                name.and_then(|name| name.split_once('_')).ok_or("a migration is named NUMBER_WORDS.sql")?;
            let (number, words) = (number.parse::<i64>()?, words.replace('_', " "));
            writeln!(list, "    ({number}, {words:?}, include_str!({:?})),", file.display())?;
        }
        list.push_str("];\n");
    }
    Ok(list)
}
