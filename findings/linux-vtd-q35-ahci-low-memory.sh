#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Linux and VT-d: what q35's own disk controller can reach
#
# Behind an IOMMU, in strict mode, with no word of reserved memory in the DMAR
# table, a disk controller reaches what its driver has mapped.  On a q35 machine,
# whose AHCI controller is 00:1f.2, it also reaches the first 16 MiB of memory.
# Seen with Linux 6.12.117 and QEMU 10.0.13 (and, by hand, 7.3.4 and 11.1.3):
#
# - For an ISA bridge Linux maps those one to one, in case there is a floppy
#   drive behind it (CONFIG_INTEL_IOMMU_FLOPPY_WA, which Debian has), whether
#   there is one or not.  q35's bridge is 00:1f.0, and always there.
# - Its slot has no ACS, so the functions in it, AHCI and SMBus, are one group and
#   have one domain.
#
# Here a device in that slot reads at 1 MiB and nothing is said; the same device
# in another slot has a fault.  The group's reserved_regions tell (a line
# "direct-relaxable").  With amd-iommu and virtio-iommu there is nothing of it.
#
# What follows for us: a mistake of such a driver that leads there is no fault,
# and no finding of the sanitizer.  docs/system/debugging.rst says so, and what to
# do; tests/guest/windows.py sees it in a guest of ours.

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

# An initramfs: busybox, and a script that has QEMU's edu device read, by its
# registers: source, destination, length, go.
cat >"$dir/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox sleep 2
for group in /sys/kernel/iommu_groups/*; do
    echo SAY $(/bin/busybox ls $group/devices): \
        $(/bin/busybox grep direct $group/reserved_regions || echo nothing)
done
# try DEVICE ADDRESS
try() {
    edu=/sys/bus/pci/devices/0000:00:$1
    echo 1 >$edu/enable
    printf '\006' |
        /bin/busybox dd of=$edu/config bs=1 seek=4 conv=notrunc 2>/dev/null
    read bar rest <$edu/resource
    /bin/busybox devmem $((bar + 0x80)) 32 $2
    /bin/busybox devmem $((bar + 0x88)) 32 0x40000
    /bin/busybox devmem $((bar + 0x90)) 32 4
    /bin/busybox devmem $((bar + 0x98)) 32 1
    /bin/busybox sleep 3
    faults=$(/bin/busybox dmesg |
                 /bin/busybox grep -c "device \[00:$1\] fault addr $2 ")
    echo "SAY $1 reads at $2, faults: $faults"
}
try 04.0 0x100000
try 1f.5 0x100000
try 1f.5 0x8000000
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

libs=$dir/root/usr/lib/x86_64-linux-gnu
busybox=$(find "$dir/root" -name busybox -type f -perm -100 | head -n 1)
python3 "$dir/initramfs.py" "$dir/root/usr/lib/modules" "$busybox" \
    "$dir/init" >"$dir/initramfs"

words='console=ttyS0 quiet panic=-1 no_timer_check'
timeout 300 "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
    "$dir/root/usr/bin/qemu-system-x86_64" \
    -L "$dir/root/usr/share/seabios" -L "$dir/root/usr/share/qemu" \
    -L "$dir/root/usr/lib/ipxe/qemu" \
    -M q35 -m 512 -accel tcg -nodefaults -display none -no-reboot \
    -serial stdio -kernel "$dir/root/boot/vmlinuz-$release" \
    -initrd "$dir/initramfs" \
    -append "$words intel_iommu=on iommu.strict=1" \
    -device intel-iommu -device edu,addr=4 -device edu,addr=1f.5 2>/dev/null |
    tr -d '\r' | sed -n 's/^SAY //p' | tee "$dir/said"
cmp "$dir/said" - <<'SEEN'
0000:00:00.0: nothing
0000:00:04.0: nothing
0000:00:1f.0 0000:00:1f.2 0000:00:1f.3 0000:00:1f.5: 0x0000000000000000 0x0000000000ffffff direct-relaxable
04.0 reads at 0x100000, faults: 1
1f.5 reads at 0x100000, faults: 0
1f.5 reads at 0x8000000, faults: 1
SEEN
echo 'as described: in that slot the first 16 MiB are mapped'
