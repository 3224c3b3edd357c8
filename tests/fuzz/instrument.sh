#!/bin/sh
# RUSTC_WORKSPACE_WRAPPER of `cargo xtask fuzz`: compiles the crates of this workspace with libFuzzer's instrumentation and
# with checked arithmetic. Dependencies stay as every other build has them; what they are generic over is compiled here.
case " $* " in
*" --crate-name ___ "* | *" -vV "* | *" proc-macro "*) exec "$@" ;;
*" --crate-name "*)
    exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares -Coverflow-checks=on -Cdebug-assertions=on
    ;;
*) exec "$@" ;;
esac
