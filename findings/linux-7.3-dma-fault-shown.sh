#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A DMA fault, and what Linux shows of it, with each of the IOMMUs of a PC
#
# One device reads at an address that nothing is mapped at.  For that Linux has a
# tracepoint, iommu:io_page_fault, which perf and bpftrace list on every machine.
# Seen with Linux 7.3.4 and QEMU 11.1.3:
#
# - The tracepoint is silent, whichever IOMMU it is: the drivers of VT-d and
#   virtio-iommu only print a line.  (AMD's has it, for accesses to memory.)
# - That line has the address with VT-d and virtio-iommu, whose line does not say
#   whether it was read or written: QEMU leaves the flags out.
# - With amd-iommu there is a line, too, but the address in it is 0, whatever it
#   was.  The flags (9h) have bit I, an interrupt's, so the driver does not take
#   it for an access to memory, and the tracepoint is not hit.
#
# So who waits for the tracepoint waits for ever, and who looks for an address 0
# in a driver looks in vain.
#
# What follows for us: our amd-iommu's record has the address, and the flags of
# an access to memory, so that the tracepoint is hit; our virtio-iommu says what
# the access was (viommu-amd-test, viommu-virtio-request-test).
# docs/system/debugging.rst shows what a guest says with each.

set -eu
emulator=1:11.1.3+ds-1
release=7.3.4+deb13-amd64
shell=1:1.37.0-6+b9
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# The kernel, a static shell and the emulator, with every library down to the C
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
# Since 7.2 the image is several packages.
names=$(apt-cache depends "linux-image-$release" |
            sed -n "s/^ *Depends: \(linux-[a-z]*-$release\)$/\1/p")
(cd "$dir/archives" && apt-get -qq download "linux-image-$release" $names)
apt-get -qq -y --download-only --no-install-recommends install \
    "qemu-system-x86=$emulator" "busybox-static=$shell" >/dev/null
for deb in "$dir"/archives/*.deb; do
    dpkg-deb -x "$deb" "$dir/root"
done

# An initramfs: busybox, two drivers, and a script that has QEMU's edu device at
# 00:04.0 read.  It is bound to pci-stub, which does nothing with it, and the
# script writes to its registers: source, destination, length, go.
cat >"$dir/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t tracefs tracefs /sys/kernel/tracing
for module in $(/bin/busybox cat /order); do
    /bin/busybox insmod /$module
done
/bin/busybox sleep 2
edu=/sys/bus/pci/devices/0000:00:04.0
echo 1 >/sys/kernel/tracing/events/iommu/io_page_fault/enable
echo 1234 11e8 >/sys/bus/pci/drivers/pci-stub/new_id
/bin/busybox sleep 1
echo 1 >$edu/enable
printf '\006' |
    /bin/busybox dd of=$edu/config bs=1 seek=4 conv=notrunc 2>/dev/null
read bar rest <$edu/resource
for address in 0x8000000 0x9000000; do
    /bin/busybox devmem $((bar + 0x80)) 32 $address
    /bin/busybox devmem $((bar + 0x88)) 32 0x40000
    /bin/busybox devmem $((bar + 0x90)) 32 4
    /bin/busybox devmem $((bar + 0x98)) 32 1
    /bin/busybox sleep 3
done
/bin/busybox dmesg | /bin/busybox sed -n 's/^\[[^]]*\] *//
    /fault addr\|page fault from\|IO_PAGE_FAULT/s/^/SAY /p'
traced=$(/bin/busybox grep -c io_page_fault: /sys/kernel/tracing/trace)
echo "SAY tracepoint hit $traced times"
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
kernel=$(find "$dir/root" -name 'vmlinuz*' -type f | head -n 1)
busybox=$(find "$dir/root" -name busybox -type f -perm -100 | head -n 1)
python3 "$dir/initramfs.py" "$dir/root" "$busybox" "$dir/init" \
    virtio_iommu pci_stub >"$dir/initramfs"

for unit in intel-iommu virtio-iommu-pci,addr=2 amd-iommu,dma-remap=on; do
    echo "$unit"
    timeout 300 "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
        "$dir/root/usr/bin/qemu-system-x86_64" \
        -L "$dir/root/usr/share/seabios" -L "$dir/root/usr/share/qemu" \
        -L "$dir/root/usr/lib/ipxe/qemu" \
        -M q35 -m 512 -accel tcg -nodefaults -display none -no-reboot \
        -serial stdio -kernel "$kernel" -initrd "$dir/initramfs" \
        -append 'console=ttyS0 quiet panic=-1 no_timer_check' \
        -device "$unit" -device edu,addr=4 2>/dev/null | tr -d '\r' |
        sed -n 's/^SAY /  /p'
done | tee "$dir/said"
reason='fault reason 0x06] PTE Read access is not set'
cmp "$dir/said" - <<SEEN
intel-iommu
  DMAR: [DMA Read NO_PASID] Request device [0000:00:04.0] fault addr 0x8000000 [$reason
  DMAR: [DMA Read NO_PASID] Request device [0000:00:04.0] fault addr 0x9000000 [$reason
  tracepoint hit 0 times
virtio-iommu-pci,addr=2
  virtio_iommu virtio0: page fault from EP 32 at 0x8000000 []
  virtio_iommu virtio0: page fault from EP 32 at 0x9000000 []
  tracepoint hit 0 times
amd-iommu,dma-remap=on
  pci-stub 0000:00:04.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0000 address=0x0 flags=0x0009]
  pci-stub 0000:00:04.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0000 address=0x0 flags=0x0009]
  tracepoint hit 0 times
SEEN
echo 'as described: a tracepoint that nobody hits, and an address that is no address'
