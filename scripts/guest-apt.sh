# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Sourced, not run: a private apt.
#
# The tests need packages of another suite or architecture (a 6.12 kernel, the
# distribution's own 10.0 emulator) without changing the machine: nothing is
# installed, no root is needed, and the machine's own apt state is only read.
# The archive is the one the machine itself uses; no host is named here.

guest_cache() {
    printf '%s\n' "${VIOMMU_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/qemu-viommu}"
}

guest_say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

guest_die() {
    guest_say "$*"
    exit 1
}

guest_codename() {
    # os-release is the one file every distribution has; a subshell keeps its
    # variables out of ours.
    (. /etc/os-release && printf '%s\n' "${VERSION_CODENAME:-unknown}")
}

# The URI the machine takes its release's main component from.
guest_archive_uri() {
    local codename
    codename=$(guest_codename)
    APT_CONFIG='' apt-get indextargets \
        --format '$(RELEASE)|$(COMPONENT)|$(REPO_URI)' \
        'Created-By: Packages' 2>/dev/null |
        awk -F'|' -v c="$codename" '$1 == c && $2 == "main" { print $3; exit }'
}

# guest_apt_setup ARCH STATUS SUITE...
# Makes (or refreshes) a private state for these suites and points APT_CONFIG
# at it. STATUS is a dpkg status file to resolve against; /dev/null resolves
# as on an empty machine. False if a suite cannot be had.
guest_apt_setup() {
    local arch=$1 status=$2 uri suite dir
    shift 2
    command -v apt-get >/dev/null || return 1
    uri=$(guest_archive_uri)
    [ -n "$uri" ] || return 1
    dir=$(guest_cache)/apt/$arch-$(IFS=+; printf '%s' "$*")
    mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/state"
    cp "$status" "$dir/state/status"
    for suite in "$@"; do
        printf 'deb [arch=%s] %s %s main\n' "$arch" "$uri" "$suite"
    done > "$dir/sources.list"
    # The sandbox user cannot enter a private cache directory, and the locks
    # and the hooks' clean-up belong to the machine's state, not to this one.
    cat > "$dir/apt.conf" <<CONF
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State "$dir/state";
Dir::State::status "$dir/state/status";
Dir::State::Lists "$dir/lists";
Dir::Cache "$dir";
Dir::Cache::archives "$dir/archives";
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Get::List-Cleanup "true";
Acquire::Languages "none";
Acquire::Retries "2";
Debug::NoLocking "true";
CONF
    export APT_CONFIG=$dir/apt.conf
    guest_say "reading the package lists of $* ($arch)"
    # apt-get reports a suite it could not fetch as a warning only unless told
    # otherwise.
    apt-get -qq update --error-on=any >"$dir/update.log" 2>&1
}

# guest_unpack DEB DIR
guest_unpack() {
    mkdir -p "$2"
    dpkg-deb -x "$1" "$2"
}
