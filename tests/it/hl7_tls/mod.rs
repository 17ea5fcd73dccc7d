//! HL7 v2 through a running platform: messages of real senders, and what an operator sets and sees of them.

mod corpus;
mod directory;
mod feeds;
