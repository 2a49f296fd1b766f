#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# QEMU 11.1 and the IOMMU options of a 10.0 command line
#
# QEMU warns for two releases before an option goes, and lists what goes and
# what is gone in two pages of its documentation; a machine type with a version
# is for starting an old machine under a new release.  Seen with 11.1.3, and
# machine type pc-q35-10.0: seven options that 10.0.13 lists and takes, without
# a warning, end it with "Property ... not found":
#
# - intel-iommu's pt and dma-drain, amd-iommu's pt: there is nothing in their
#   place.  Neither is experimental (x-), and who had one off has a machine that
#   11.1 cannot make: with pt=off,dma-drain=off ECAP.PT, CAP.DRD and CAP.DWD are
#   clear in 10.0.13, and always set in 11.1.3.
# - intel-iommu's x-scalable-mode, x-flts, x-pasid-mode, x-buggy-eim: the first
#   two have other names (scalable-mode, fsts), which 10.0.13 does not know.
#
# The pages "Deprecated features" and "Removed features" of 11.1.3 have no IOMMU
# in them, nor has the former of 10.0.13.  (Both releases' page of options gives
# aw-bits of intel-iommu as 39 by default; it is 48 in both.)
#
# What follows for us: ours takes 10.0's names with 10.0's meaning, and 11.1's
# two beside them (docs/system/vtd.rst), so that a command line from either
# starts.

set -eu
newer_suite=sid
newer_version=1:11.1.3+ds-1
older_suite=trixie
older_version=1:10.0.13+ds-0+deb13u1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# unpack SUITE VERSION: the emulator of that version with everything it needs,
# down to the C library, in $dir/SUITE/root.  Nothing is installed.
unpack() {
    here=$dir/$1
    mkdir -p "$here/lists/partial" "$here/archives/partial" "$here/root"
    echo "deb [arch=amd64] $uri $1 main" >"$here/sources.list"
    cat >"$here/apt.conf" <<CONF
Dir::Etc::sourcelist "$here/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State "$here";
Dir::State::status "/dev/null";
Dir::State::Lists "$here/lists";
Dir::Cache "$here";
Dir::Cache::archives "$here/archives";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "";
Acquire::Languages "none";
Debug::NoLocking "true";
CONF
    APT_CONFIG=$here/apt.conf apt-get -qq update
    APT_CONFIG=$here/apt.conf apt-get -qq -y --download-only \
        --no-install-recommends install "qemu-system-x86=$2" >/dev/null
    for deb in "$here"/archives/*.deb; do
        dpkg-deb -x "$deb" "$here/root"
    done
}

# run SUITE ARGUMENTS...: that emulator; no guest runs
run() {
    root=$dir/$1/root
    shift
    libs=$root/usr/lib/x86_64-linux-gnu
    timeout 60 "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
        "$root/usr/bin/qemu-system-x86_64" \
        -L "$root/usr/share/seabios" -L "$root/usr/share/qemu" \
        -L "$root/usr/lib/ipxe/qemu" \
        -M pc-q35-10.0 -accel tcg -nodefaults -display none "$@"
}

# taken SUITE DEVICE: what is said when a machine is made with it
taken() {
    echo '{"execute": "qmp_capabilities"} {"execute": "quit"}' |
        run "$1" -S -qmp stdio -device "$2" 2>&1 >/dev/null |
        sed 's/.*: Property/  Property/' >"$dir/answer"
    grep . "$dir/answer" || echo '  taken, in silence'
}

# bits SUITE DEVICE: CAP_REG's DWD and DRD (54, 55) and ECAP_REG's PT (6), read
# through qtest.  The emulator does not end with its input.
bits() {
    registers=$(printf 'readq 0xfed90008\nreadq 0xfed90010\n' |
        (timeout 10 cat; sleep 5) |
        run "$1" -S -qtest stdio -qtest-log none -device "$2" 2>/dev/null |
        sed -n 's/^OK //p')
    set -- $registers
    echo "  DWD $(($1 >> 54 & 1)) DRD $(($1 >> 55 & 1)) PT $(($2 >> 6 & 1))"
}

unpack "$older_suite" "$older_version"
unpack "$newer_suite" "$newer_version"
for suite in "$older_suite" "$newer_suite"; do
    echo "$suite"
    for device in intel-iommu,pt=off intel-iommu,dma-drain=off \
            intel-iommu,x-scalable-mode=on intel-iommu,x-flts=off \
            intel-iommu,x-pasid-mode=off intel-iommu,x-buggy-eim=off \
            amd-iommu,pt=off intel-iommu,scalable-mode=on \
            intel-iommu,fsts=off; do
        echo "$device"
        taken "$suite" "$device"
    done
    echo 'default'
    bits "$suite" intel-iommu
    run "$suite" -device intel-iommu,help | grep -F aw-bits
done >"$dir/said"
{
    echo "$older_suite: pt=off,dma-drain=off"
    bits "$older_suite" intel-iommu,pt=off,dma-drain=off
} >>"$dir/said"
cat "$dir/said"
cmp "$dir/said" - <<'SEEN'
trixie
intel-iommu,pt=off
  taken, in silence
intel-iommu,dma-drain=off
  taken, in silence
intel-iommu,x-scalable-mode=on
  taken, in silence
intel-iommu,x-flts=off
  taken, in silence
intel-iommu,x-pasid-mode=off
  taken, in silence
intel-iommu,x-buggy-eim=off
  taken, in silence
amd-iommu,pt=off
  taken, in silence
intel-iommu,scalable-mode=on
  Property 'intel-iommu.scalable-mode' not found
intel-iommu,fsts=off
  Property 'intel-iommu.fsts' not found
default
  DWD 1 DRD 1 PT 1
  aw-bits=<uint8>        -  (default: 48)
sid
intel-iommu,pt=off
  Property 'intel-iommu.pt' not found
intel-iommu,dma-drain=off
  Property 'intel-iommu.dma-drain' not found
intel-iommu,x-scalable-mode=on
  Property 'intel-iommu.x-scalable-mode' not found
intel-iommu,x-flts=off
  Property 'intel-iommu.x-flts' not found
intel-iommu,x-pasid-mode=off
  Property 'intel-iommu.x-pasid-mode' not found
intel-iommu,x-buggy-eim=off
  Property 'intel-iommu.x-buggy-eim' not found
amd-iommu,pt=off
  Property 'amd-iommu.pt' not found
intel-iommu,scalable-mode=on
  taken, in silence
intel-iommu,fsts=off
  taken, in silence
default
  DWD 1 DRD 1 PT 1
  aw-bits=<uint8>        -  (default: 48)
trixie: pt=off,dma-drain=off
  DWD 0 DRD 0 PT 0
SEEN

# pages SUITE NAME: lines of that page with an IOMMU
docs=root/usr/share/doc/qemu-system-common
pages() {
    grep -ci iommu "$dir/$1/$docs/$2.html" || :
}
[ "$(pages "$newer_suite" about/deprecated)" = 0 ]
[ "$(pages "$newer_suite" about/removed-features)" = 0 ]
[ "$(pages "$older_suite" about/deprecated)" = 0 ]
for suite in "$older_suite" "$newer_suite"; do
    sed 's/<[^>]*>//g' "$dir/$suite/$docs/system/invocation.html" |
        grep -qF 'aw-bits=39|48 (default: 39)'
done
echo 'as described: options are gone without notice'
