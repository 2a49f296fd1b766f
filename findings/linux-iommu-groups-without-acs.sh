#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Linux' IOMMU groups of QEMU's devices, and ACS
#
# A group is what is not isolated from each other; on PCI Express, ACS isolates
# (Documentation/driver-api/vfio.rst).  Seen with Linux 6.12.117 (and, by hand,
# 7.3.4) behind QEMU's intel-iommu, with the ACS capability read by the guest:
#
# - A switch whose downstream ports have no ACS (xio3130-downstream): a device
#   behind one is with that port, as expected, but devices behind two of them
#   are in two groups, with nothing to keep them apart.  Linux looks at the way
#   up, and not beside it.
# - Two functions of one slot, no ACS on either: one group if both are an "edu",
#   two if one is an e1000e.  Linux has a list of real devices whose functions
#   do not talk to each other; this is on it by its ID, and that does for both.
# - A root port of type ioh3420 has no ACS, and is in one group with what is
#   behind it; one of type pcie-root-port has.  Command lines have either.
#
# What follows for us: "alone in its group", which SVA and VFIO ask for, is no
# proof of ACS, and our documentation asks for pcie-root-port by name.

set -eu
emulator=1:10.0.13+ds-0+deb13u1
release=6.12.117+deb13-amd64
shell=1:1.37.0-6+b9
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# The kernel, a static shell and the emulator, with every library down to the C
# library, are unpacked in $dir.  Nothing is installed.
mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/root"
echo "deb [arch=amd64] $uri trixie main" >"$dir/sources.list"
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
(cd "$dir/archives" && apt-get -qq download "linux-image-$release")
apt-get -qq -y --download-only --no-install-recommends install \
    "qemu-system-x86=$emulator" "busybox-static=$shell" >/dev/null
for deb in "$dir"/archives/*.deb; do
    dpkg-deb -x "$deb" "$dir/root"
done

# An initramfs: busybox, and a script that says of each PCI device which group
# it is in, and whether it has the ACS capability (000dh).
cat >"$dir/init" <<'INIT'
#!/bin/busybox sh
PATH=/bin
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
has_acs() {
    at=256
    while [ $at -ge 256 ]; do
        word=$(/bin/busybox hexdump -s $at -n 4 -e '1/4 "%u"' $1)
        [ $((word & 0xffff)) -ne 13 ] || return 0
        at=$((word >> 20))
    done
    return 1
}
for device in /sys/bus/pci/devices/*; do
    acs=no
    ! has_acs $device/config || acs=yes
    group=$(/bin/busybox readlink $device/iommu_group)
    echo "PCI ${device##*/0000:} group ${group##*/} acs $acs"
done
/bin/busybox poweroff -f
INIT
cat >"$dir/initramfs.py" <<'PYTHON'
import sys

busybox, init = sys.argv[1:]


def entry(name, mode, data=b''):
    path = name.encode() + b'\0'
    head = b'070701' + b''.join(b'%08x' % n for n in (
        0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)) + path
    for part in head, data:
        sys.stdout.buffer.write(part + bytes(-len(part) % 4))


for name in 'bin', 'proc', 'sys':
    entry(name, 0o40755)
for name, path in ('bin/busybox', busybox), ('init', init):
    with open(path, 'rb') as f:
        entry(name, 0o100755, f.read())
entry('TRAILER!!!', 0)
PYTHON
busybox=$(find "$dir/root" -name busybox -type f -perm -100 | head -n 1)
python3 "$dir/initramfs.py" "$busybox" "$dir/init" >"$dir/initramfs"

libs=$dir/root/usr/lib/x86_64-linux-gnu
timeout 300 "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
    "$dir/root/usr/bin/qemu-system-x86_64" \
    -L "$dir/root/usr/share/seabios" -L "$dir/root/usr/share/qemu" \
    -L "$dir/root/usr/lib/ipxe/qemu" \
    -M q35 -m 512 -accel tcg -nodefaults -display none -no-reboot \
    -serial stdio -kernel "$dir/root/boot/vmlinuz-$release" \
    -initrd "$dir/initramfs" \
    -append 'console=ttyS0 quiet panic=-1 no_timer_check' \
    -device intel-iommu \
    -device pcie-root-port,id=r1,chassis=1,addr=2 \
    -device x3130-upstream,id=up,bus=r1 \
    -device xio3130-downstream,id=d1,bus=up,chassis=2,addr=0 \
    -device xio3130-downstream,id=d2,bus=up,chassis=3,addr=1 \
    -device e1000e,bus=d1 -device e1000e,bus=d2 \
    -device edu,addr=5.0,multifunction=on -device edu,addr=5.1 \
    -device e1000e,addr=6.0,multifunction=on -device edu,addr=6.1 \
    -device pcie-root-port,id=r2,chassis=4,addr=7 -device e1000e,bus=r2 \
    -device ioh3420,id=r3,chassis=5,addr=8 -device e1000e,bus=r3 \
    2>/dev/null | tr -d '\r' | sed -n 's/^PCI //p' | tee "$dir/said"

group() {
    sed -n "s/^$1 group \([0-9]*\) acs $2\$/\1/p" "$dir/said" | grep .
}
# Bus 1 is the switch's upstream port, 2 its downstream ports, 3 and 4 what is
# behind them, 5 and 6 what is behind the other root ports.
[ "$(group 02:00.0 no)" = "$(group 03:00.0 no)" ]
[ "$(group 02:01.0 no)" = "$(group 04:00.0 no)" ]
[ "$(group 03:00.0 no)" != "$(group 04:00.0 no)" ]
[ "$(group 00:05.0 no)" = "$(group 00:05.1 no)" ]
[ "$(group 00:06.0 no)" != "$(group 00:06.1 no)" ]
[ "$(group 00:07.0 yes)" != "$(group 05:00.0 no)" ]
[ "$(group 00:08.0 no)" = "$(group 06:00.0 no)" ]
echo 'as described: groups are not what ACS says'
