//! A simulated cluster that runs the real decisions and the real acting code over fake servers and a fake cluster.

mod action;
mod database;
mod event;
mod explorations;
mod explore;
mod flow;
mod invariants;
mod node;
mod pacemaker;
mod possible;
mod reply;
mod scenario;
mod scenarios;
mod server;
mod stage;
mod words;
mod world;
