//! The documentation: its links, its map, and what it says about the program.

mod claims;
mod links;
mod pages;
