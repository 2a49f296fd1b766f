# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced by every script of the build: where things are, and how to speak.
# shellcheck shell=bash

VIOMMU_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VIOMMU_BUILD=$VIOMMU_ROOT/build
VIOMMU_OBJ=$VIOMMU_BUILD/obj
VIOMMU_CORE=$VIOMMU_BUILD/core
VIOMMU_UPSTREAM=$VIOMMU_BUILD/upstream/obj
if [ -z "${VIOMMU_CACHE:-}" ] && [ -f "$VIOMMU_BUILD/config.mk" ]; then
    VIOMMU_CACHE=$(. "$VIOMMU_BUILD/config.mk" && printf '%s' "$CONFIG_CACHE")
fi
VIOMMU_CACHE=${VIOMMU_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/qemu-viommu}
export VIOMMU_ROOT VIOMMU_BUILD VIOMMU_OBJ VIOMMU_CORE VIOMMU_UPSTREAM
export VIOMMU_CACHE

# build/{qemu,obj} and build/upstream/{qemu,obj} see their sources under the
# same relative names, so with these settings they share compiled objects.
export CCACHE_DIR=${CCACHE_DIR:-$VIOMMU_CACHE/ccache}
export CCACHE_BASEDIR=$VIOMMU_BUILD
export CCACHE_NOHASHDIR=1

say() {
    printf '==> %s\n' "$*" >&2
}

warn() {
    printf 'warning: %s\n' "$*" >&2
}

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# make_cache: the cache directory exists and can be written, or one clear line.
make_cache() {
    local probe
    mkdir -p "$VIOMMU_CACHE" 2>/dev/null &&
        probe=$(mktemp "$VIOMMU_CACHE/.probe.XXXXXX" 2>/dev/null) &&
        rm -f "$probe" ||
        die "cannot write the cache $VIOMMU_CACHE; set VIOMMU_CACHE to a" \
            "directory you can write"
}

# The first Python that has what QEMU's build wants. The distribution's comes
# first: a private one earlier in PATH rarely sees the distribution's packages.
find_python() {
    local python
    for python in "${PYTHON:-}" /usr/bin/python3 "$(command -v python3)"; do
        if [ -n "$python" ] && python_has_meson "$python"; then
            printf '%s\n' "$python"
            return 0
        fi
    done
    return 1
}

python_has_meson() {
    "$1" - 2>/dev/null <<'PY'
import ensurepip, sys, venv
import pycotap
from mesonbuild.coredata import version
sys.exit(tuple(int(v) for v in version.split('.')[:2]) < (1, 5))
PY
}

# take_lock: one build at a time in this tree; children inherit it.
take_lock() {
    [ -z "${VIOMMU_LOCKED:-}" ] || return 0
    mkdir -p "$VIOMMU_BUILD"
    exec 9>"$VIOMMU_BUILD/.lock"
    if ! flock -n 9; then
        say "another build is running in this tree; waiting for it"
        flock 9
    fi
    export VIOMMU_LOCKED=1
}

# load_config: what ./configure was told, as CONFIG_* variables.
load_config() {
    [ -f "$VIOMMU_BUILD/config.mk" ] ||
        die "not configured: run ./configure (or make)"
    # shellcheck source=/dev/null
    . "$VIOMMU_BUILD/config.mk"
}
