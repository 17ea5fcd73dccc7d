//! Tests of the window: what acknowledgements mean, what the end of a connection means, and a model of both
//! interfaces joined.

mod answers;
mod endings;
mod fixtures;
mod model;
mod steps;
mod world;
