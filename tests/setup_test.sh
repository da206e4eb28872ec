#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# cmake/setup.sh with a package manager that only pretends: what it installs, and what it says when
# it cannot. Each case runs in a subshell with its own id, sudo, apt-get and apt-cache.
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/setup.sh"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
root=$scratch
calls=$scratch/calls

# setup FUNCTIONS: runs install_missing with one package missing and the given functions in place.
setup() {
  : >"$calls"
  (
    eval "$1"
    require "nothing" command:lorapro-no-such-command no-such-package
    require "bash" command:bash bash-package
    require "a header" header:vector vector-package
    require "no header" header:lorapro-no-such-header.h header-package
    install_missing
  ) >"$scratch/output" 2>&1 </dev/null
}

expect_text() {
  grep -qF -- "$2" "$1" || {
    cat "$scratch/output" "$calls"
    fail "expected: $2"
  }
}

as_root_user='id() { echo 0; }'
apt_works='apt-get() { echo "apt-get $*" >>"$calls"; }; apt-cache() { true; }; env() { shift; "$@"; }'
apt_fails='apt-get() { echo "E: no network"; return 100; }; apt-cache() { false; }'
by_hand='apt-get update && apt-get install --no-install-recommends no-such-package header-package'

setup "$as_root_user; $apt_works" || fail "installing failed"
expect_text "$scratch/output" "installing: no-such-package header-package"
expect_text "$calls" "--no-install-recommends no-such-package header-package"
! grep -q 'apt-get update' "$calls" || fail "apt-get update without need"

setup "$as_root_user; $apt_works; apt-cache() { false; }" || fail "installing failed"
expect_text "$calls" "apt-get update"

setup 'id() { echo 1000; }; sudo() { echo "sudo $*" >>"$calls"; }; apt-get() { true; }
       apt-cache() { true; }' || fail "installing with sudo failed"
expect_text "$calls" "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install"

! setup "$as_root_user; $apt_fails" || fail "a failing apt-get went unnoticed"
expect_text "$scratch/output" "E: no network"
expect_text "$scratch/output" "$by_hand"

without_sudo='command() { [ "$2" != sudo ] && builtin command "$@"; }'
! setup "id() { echo 1000; }; $without_sudo; $apt_works" || fail "a missing sudo went unnoticed"
expect_text "$scratch/output" "not root and there is no sudo"
expect_text "$scratch/output" "$by_hand"

without_apt='command() { [ "$2" != apt-get ] && builtin command "$@"; }'
! setup "$as_root_user; $without_apt" || fail "a missing apt-get went unnoticed"
expect_text "$scratch/output" "There is no apt-get here"
expect_text "$scratch/output" "$by_hand"

missing=()
(install_missing) || fail "nothing to install is not an error"
