//! What the measurements share: the workload, the floor, clocks and counters.
//!
//! The programs are in `src/bin`; the figures and how they were taken are in `README.md`.

pub mod echo;
pub mod floor;
pub mod meter;
pub mod usage;
