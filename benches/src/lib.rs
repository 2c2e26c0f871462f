//! What the measurements share: the workload, the yardsticks, clocks and counters.
//!
//! The programs are in `src/bin`; the figures and how they were taken are in `README.md`.

pub mod alone;
pub mod by_hand;
pub mod echo;
pub mod figure;
pub mod floor;
pub mod growth;
pub mod instructions;
pub mod meter;
pub mod micro;
pub mod ratio;
pub mod talk;
pub mod topic;
pub mod usage;
pub mod worker;
