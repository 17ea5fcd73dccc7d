//! Files and folders of the service: their creation, and why this process cannot use one.

mod access;
pub(crate) mod accounts;
mod changeable;
mod create;
mod private;
mod private_mount;
mod replace;
#[cfg(test)]
mod tests;

pub use access::AccessProblem;
pub(crate) use access::{file_problem, folder_problem};
pub(crate) use changeable::{changeable_by_others, is_open_to_all};
pub(crate) use create::{create_folder, open_or_create};
pub(crate) use private::NotPrivate;
pub(crate) use private_mount::is_private_to_service;
pub(crate) use replace::replace_file;
