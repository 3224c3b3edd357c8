//! Every flood against a single host, in sequence.

use crate::{
    Case, components, names, patterns, policy, sessions,
    stage::{Setting, Stage},
};

pub(crate) async fn all(case: &'static Case) {
    let (name, flooder) = components::flooder();
    let file = format!("{name}.wasm");
    let setting = Setting {
        config: "limits: {timeout: 3s, cpu: 1s}\n",
        files: vec![(&file, flooder)],
        guests: &["hostile"],
        ..Setting::default()
    };
    let stage = Stage::set(case, setting).await;
    patterns::vast_pattern(&stage).await;
    stage.assert_serves().await;
    patterns::slow_pattern(&stage).await;
    stage.assert_serves().await;
    names::long_tools(&stage).await;
    stage.assert_serves().await;
    names::long_path(&stage).await;
    stage.assert_serves().await;
    sessions::slow_bodies(&stage).await;
    sessions::unread_pings(&stage).await;
    components::flood_log(&stage).await;
    stage.assert_serves().await;
    components::spin(&stage).await;
    stage.assert_serves().await;
    policy::unpack(&stage).await;
    stage.assert_serves().await;
    let peak = stage.cage.peak().map(|bytes| bytes >> 20);
    println!(
        "attacks: [55] in a cage of 512 MiB: {peak:?} MB at most, page cache included; the host grew by {} MB",
        stage.grown()
    );
}
