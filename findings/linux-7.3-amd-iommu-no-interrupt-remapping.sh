#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Linux 7.3 and the interrupt remapping of QEMU's amd-iommu
#
# QEMU's IVRS says that the I/O APIC's requests come from 00:14.0, where a
# southbridge of AMD's has its function, and a q35 machine has nothing there.
# Linux 7.3.4 looks at what is at that place, does not find a southbridge, calls
# that a firmware bug and disables interrupt remapping for the whole machine.
# Nothing fails: the guest boots, DMA is translated, and "intremap=on" is an
# option without effect.  (6.12 takes the entry as it is.)
#
# What follows for us: our amd-iommu puts a device of class SMBus there
# (southbridge, docs/system/amd-iommu.rst), and the guest tests boot this kernel
# with it and expect remapped interrupts.

set -eu
suite=trixie-backports
release=7.3.4+deb13-amd64
emulator=1:10.0.13+ds-0+deb13u1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# The kernel and the emulator, with every library down to the C library, are
# unpacked in $dir/root.  Nothing is installed.
mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/root"
for name in trixie "$suite"; do
    echo "deb [arch=amd64] $uri $name main"
done >"$dir/sources.list"
cat >"$dir/apt.conf" <<CONF
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State "$dir";
Dir::State::status "/dev/null";
Dir::State::Lists "$dir/lists";
Dir::Cache "$dir";
Dir::Cache::archives "$dir/archives";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "";
Acquire::Languages "none";
Debug::NoLocking "true";
CONF
export APT_CONFIG="$dir/apt.conf"
apt-get -qq update
# The image, or since 7.2 the packages that it is made of.
names=$(apt-cache depends "linux-image-$release" |
            sed -n "s/^ *Depends: \(linux-[a-z]*-$release\)$/\1/p")
(cd "$dir/archives" && apt-get -qq download "linux-image-$release" $names)
apt-get -qq -y --download-only --no-install-recommends install \
    "qemu-system-x86=$emulator" >/dev/null
for deb in "$dir"/archives/*.deb; do
    dpkg-deb -x "$deb" "$dir/root"
done
vmlinuz=$(find "$dir/root" -name 'vmlinuz*' -type f | head -n 1)

# No root file system: it panics where it would look for one, which is the end.
libs=$dir/root/usr/lib/x86_64-linux-gnu
timeout 300 "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
    "$dir/root/usr/bin/qemu-system-x86_64" \
    -L "$dir/root/usr/share/seabios" -L "$dir/root/usr/share/qemu" \
    -L "$dir/root/usr/lib/ipxe/qemu" \
    -M q35 -m 512 -accel tcg -nodefaults -display none -no-reboot \
    -serial "file:$dir/serial" -device amd-iommu,intremap=on \
    -kernel "$vmlinuz" -append 'console=ttyS0 panic=-1 no_timer_check'
tr -d '\r' <"$dir/serial" >"$dir/console"
sed -n 's/^\[[ 0-9.]*\] //; /^Linux version/p; /AMD-Vi/p; /Unable to mount/p' \
    "$dir/console"
grep -q "Linux version $release" "$dir/console"
grep -q 'AMD-Vi: .*No southbridge IOAPIC found' "$dir/console"
grep -q 'AMD-Vi: Disabling interrupt remapping' "$dir/console"
# It went on, with DMA translated.
grep -q 'Default domain type: Translated' "$dir/console"
grep -q 'Unable to mount root fs' "$dir/console"
echo 'as described: interrupt remapping is off, and nothing else tells'
