#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Linux and a virtio-iommu whose granule is larger than a page
#
# "granule" is the smallest page that a virtio-iommu maps; its default, "host", is
# the host's page size, and that is 64 KiB on some arm64 and ppc64 hosts, where a
# PC can be emulated, too.  A guest with pages of 4 KiB could map in pieces of
# 64 KiB.  Seen with QEMU 11.1.3 (and, by hand, 10.0.13), granule=64k, and a
# virtio-blk disk with iommu_platform=on:
#
# - Linux 6.12.117: "granule 0x10000 larger than system page size 0x1000", and a
#   kernel warning with a call trace.  The disk works at once, without a group,
#   untranslated.
# - Linux 7.3.4: the same line, and no warning.  The disk appears after ten
#   seconds, without a group, untranslated.
#
# In both, no device of the machine has a group, and the unit is in
# /sys/class/iommu as always: a guest is protected on one host and not on another,
# by the same command line.
#
# What follows for us: docs/system/virtio-iommu.rst says so at "granule", and on a
# PC a warning.  The guest tests look for each device's group, and its type.

set -eu
emulator=1:11.1.3+ds-1
older=6.12.117+deb13-amd64
newer=7.3.4+deb13-amd64
shell=1:1.38.0-3+b1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# The kernels, a static shell and the emulator, with every library down to the C
# library, are unpacked in $dir.  Nothing is installed.
mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/root"
for name in trixie trixie-backports sid; do
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
for release in "$older" "$newer"; do
    # The image, or since 7.2 the packages that it is made of.
    names=$(apt-cache depends "linux-image-$release" |
                sed -n "s/^ *Depends: \(linux-[a-z]*-$release\)$/\1/p")
    mkdir -p "$dir/$release/deb"
    (cd "$dir/$release/deb" &&
     apt-get -qq download "linux-image-$release" $names)
    for deb in "$dir/$release/deb"/*.deb; do
        dpkg-deb -x "$deb" "$dir/$release"
    done
done
apt-get -qq -y --download-only --no-install-recommends -t sid install \
    "qemu-system-x86=$emulator" "busybox-static=$shell" >/dev/null
for deb in "$dir"/archives/*.deb; do
    dpkg-deb -x "$deb" "$dir/root"
done

# An initramfs: busybox, the drivers with what they need, and a script that looks
# at the disk, and at what the kernel says.
cat >"$dir/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
look() {
    group=$(/bin/busybox readlink /sys/bus/pci/devices/0000:00:06.0/iommu_group)
    disk=no
    [ ! -b /dev/vda ] || disk=yes
    /bin/busybox dd if=/dev/vda of=/dev/null bs=4096 count=16 iflag=direct \
        2>/dev/null && disk=readable
    [ -z "$group" ] || group=yes
    echo "SAY $1: disk $disk, group ${group:-none}"
}
for module in $(/bin/busybox cat /order); do
    /bin/busybox insmod /$module
done
/bin/busybox sleep 3
look 'at first'
/bin/busybox sleep 20
look 'later'
echo SAY units: $(/bin/busybox ls /sys/class/iommu | /bin/busybox wc -l), \
    groups: $(/bin/busybox ls /sys/kernel/iommu_groups | /bin/busybox wc -l)
/bin/busybox dmesg | /bin/busybox sed -n 's/^\[[^]]*\] *//
    s/^WARNING: .* at \([^ ]*\):.*/SAY warning at \1/p
    s/.*: granule/SAY granule/p' | /bin/busybox sort -u
/bin/busybox sleep 1
/bin/busybox poweroff -f
INIT
cat >"$dir/initramfs.py" <<'PYTHON'
import lzma
import os
import sys

tree, busybox, init, wanted = sys.argv[1:4] + [sys.argv[4:]]
paths = {}
for root, _, names in os.walk(tree):
    for name in names:
        if '.ko' in name:
            paths[name.split('.ko')[0].replace('-', '_')] = root + '/' + name
files = {}


def module(name):
    name = name.replace('-', '_')
    if name in files or name not in paths:
        return
    with open(paths[name], 'rb') as f:
        image = f.read()
    if paths[name].endswith('.xz'):
        image = lzma.decompress(image)
    for entry in image.split(b'\0'):
        if entry.startswith(b'depends='):
            for need in filter(None, entry[8:].decode().split(',')):
                module(need)
    files[name] = image


def entry(name, mode, data=b''):
    path = name.encode() + b'\0'
    head = b'070701' + b''.join(b'%08x' % n for n in (
        0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)) + path
    for part in head, data:
        sys.stdout.buffer.write(part + bytes(-len(part) % 4))


for name in wanted:
    module(name)
for name in 'bin', 'dev', 'proc', 'sys':
    entry(name, 0o40755)
for name, path in ('bin/busybox', busybox), ('init', init):
    with open(path, 'rb') as f:
        entry(name, 0o100755, f.read())
entry('order', 0o100644, '\n'.join(files).encode())
for name, image in files.items():
    entry(name, 0o100644, image)
entry('TRAILER!!!', 0)
PYTHON

libs=$dir/root/usr/lib/x86_64-linux-gnu
busybox=$(find "$dir/root" -name busybox -type f -perm -100 | head -n 1)
truncate -s 8M "$dir/disk"
for release in "$older" "$newer"; do
    kernel=$(find "$dir/$release" -name 'vmlinuz*' -type f | head -n 1)
    python3 "$dir/initramfs.py" "$dir/$release" "$busybox" "$dir/init" \
        virtio_iommu virtio_pci virtio_blk >"$dir/initramfs"
    for granule in 4k 64k; do
        echo "$release, $granule"
        timeout 300 "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
            "$dir/root/usr/bin/qemu-system-x86_64" \
            -L "$dir/root/usr/share/seabios" -L "$dir/root/usr/share/qemu" \
            -L "$dir/root/usr/lib/ipxe/qemu" \
            -M q35 -m 512 -accel tcg -nodefaults -display none -no-reboot \
            -serial stdio -kernel "$kernel" -initrd "$dir/initramfs" \
            -append 'console=ttyS0 quiet panic=-1 no_timer_check' \
            -drive "if=none,id=disk,format=raw,file=$dir/disk" \
            -device "virtio-iommu-pci,addr=2,granule=$granule" \
            -device virtio-blk-pci,drive=disk,addr=6,disable-legacy=on,\
iommu_platform=on 2>/dev/null | tr -d '\r' | sed -n 's/^.*SAY /  /p'
    done
done | tee "$dir/said"
line='granule 0x10000 larger than system page size 0x1000'
cmp "$dir/said" - <<SEEN
$older, 4k
  at first: disk readable, group yes
  later: disk readable, group yes
  units: 1, groups: 2
$older, 64k
  at first: disk readable, group none
  later: disk readable, group none
  units: 1, groups: 0
  $line
  warning at drivers/iommu/iommu.c
$newer, 4k
  at first: disk readable, group yes
  later: disk readable, group yes
  units: 1, groups: 3
$newer, 64k
  at first: disk no, group none
  later: disk readable, group none
  units: 1, groups: 0
  $line
SEEN
echo 'as described: a larger granule, and nothing is translated'
