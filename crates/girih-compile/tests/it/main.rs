//! Networks compiled against a made-up scheme and run in clear.

mod bootstrapped;
mod networks;
mod optimizer;
mod placements;
mod prices;
