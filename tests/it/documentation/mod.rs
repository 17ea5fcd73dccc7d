//! The documentation: its links, its map, and what it says about the program.

mod claims;
mod command_lines;
mod commands;
mod links;
mod pages;
