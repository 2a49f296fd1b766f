#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Linux 7.3 behind QEMU's virtio-iommu, with one device on a conventional bus
#
# A q35 machine with a virtio-iommu, a root port, and a network card (e1000)
# behind a pcie-pci-bridge.  Seen with Linux 7.3.4: no PCI device of the whole
# machine gets a driver, the root port included, and no message says why; all of
# them are "deferred", and the IOMMU groups that the log has are gone again.
# With the bridge alone all is well.  Seen with 6.12.117, on the same machine:
# drivers are there, and the card has its own but no group: it is untranslated.
#
# Where they meet: a function behind such a bridge does its DMA with the
# bridge's requester ID, so that is the endpoint that QEMU (10.0.13, and by hand
# 11.1.3) has, but the VIOT lists the function, too.  Linux asks about the
# function, by PROBE, and gets S_NOENT.  For 6.12 that is a device without an
# IOMMU; 7.3 gives up the IOMMU for all, and lets no driver do without.
#
# A conventional bus is nothing exotic: libvirt puts an e1000 or an AC97 on one.
# arm64 (virt, with a device tree, by hand) has the same.
#
# What follows for us: behind such a bridge our virtio-iommu takes a function's
# own ID for another name of the endpoint that its requests come from.  With that
# both kernels have all their drivers, and the card is in the bridge's group.

set -eu
emulator=1:10.0.13+ds-0+deb13u1
older=6.12.117+deb13-amd64
newer=7.3.4+deb13-amd64
shell=1:1.37.0-6+b9
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# The kernels, a static shell and the emulator, with every library down to the C
# library, are unpacked in $dir.  Nothing is installed.
mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/root"
for name in trixie trixie-backports; do
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
apt-get -qq -y --download-only --no-install-recommends install \
    "qemu-system-x86=$emulator" "busybox-static=$shell" >/dev/null
for deb in "$dir"/archives/*.deb; do
    dpkg-deb -x "$deb" "$dir/root"
done

# An initramfs: busybox, the drivers with what they need, and a script that says
# what each PCI device has.
cat >"$dir/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t debugfs debugfs /sys/kernel/debug
for module in $(/bin/busybox cat /order); do
    /bin/busybox insmod /$module
done
/bin/busybox sleep 3
last() { set -- ${1:-/none}; echo "${1##*/}"; }
for device in /sys/bus/pci/devices/*; do
    driver=$(/bin/busybox readlink $device/driver)
    group=$(/bin/busybox readlink $device/iommu_group)
    echo "PCI ${device##*/} driver $(last $driver) group $(last $group)"
done
echo "DEFERRED" $(/bin/busybox sort /sys/kernel/debug/devices_deferred)
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
for name in 'bin', 'proc', 'sys':
    entry(name, 0o40755)
for name, path in ('bin/busybox', busybox), ('init', init):
    with open(path, 'rb') as f:
        entry(name, 0o100755, f.read())
entry('order', 0o100644, '\n'.join(files).encode())
for name, image in files.items():
    entry(name, 0o100644, image)
entry('TRAILER!!!', 0)
PYTHON

# boot RELEASE DEVICE...: what the script in the guest says
boot() {
    kernel=$(find "$dir/$1" -name 'vmlinuz*' -type f | head -n 1)
    python3 "$dir/initramfs.py" "$dir/$1" "$busybox" "$dir/init" \
        virtio_iommu e1000 >"$dir/initramfs"
    shift
    timeout 300 "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
        "$dir/root/usr/bin/qemu-system-x86_64" \
        -L "$dir/root/usr/share/seabios" -L "$dir/root/usr/share/qemu" \
        -L "$dir/root/usr/lib/ipxe/qemu" \
        -M q35 -m 512 -accel tcg -nodefaults -display none -no-reboot \
        -serial stdio -kernel "$kernel" -initrd "$dir/initramfs" \
        -append 'console=ttyS0 quiet panic=-1 no_timer_check' \
        -device virtio-iommu-pci,addr=2 -device pcie-root-port,addr=3 \
        -device pcie-pci-bridge,id=bridge,addr=4 "$@" 2>/dev/null |
        tr -d '\r' | grep -E '^(PCI|DEFERRED) '
}

libs=$dir/root/usr/lib/x86_64-linux-gnu
busybox=$(find "$dir/root" -name busybox -type f -perm -100 | head -n 1)
card=e1000,bus=bridge,addr=1
boot "$newer" >"$dir/newer-without"
boot "$newer" -device "$card" >"$dir/newer-with"
boot "$older" -device "$card" >"$dir/older-with"
cd "$dir"
grep . newer-without newer-with older-with

root_port='^PCI 0000:00:03.0 driver pcieport group [0-9]'
grep -q "$root_port" newer-without
grep -q "$root_port" older-with
grep -q '^PCI 0000:02:01.0 driver e1000 group none$' older-with
grep -q '^PCI 0000:00:03.0 driver none group none$' newer-with
grep -q '^PCI 0000:02:01.0 driver none group none$' newer-with
# The virtio-iommu itself is all that works.
[ "$(grep '^PCI ' newer-with | grep -v 'driver none group none')" = \
  'PCI 0000:00:02.0 driver virtio-pci group none' ]
grep -q '^DEFERRED .*0000:00:03.0.*0000:02:01.0' newer-with
echo 'as described: with 7.3 one device on a conventional bus stops them all'
