#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Linux 7.2 behind QEMU's RISC-V IOMMU: nothing, or nothing translated
#
# The virt machine takes "-device riscv-iommu-pci" and "iommu-sys=on" with each
# of its interrupt controllers, Linux has drivers for both forms of the unit, and
# firmware says that all PCI devices are behind it.  Seen with Linux 7.2.13 and
# QEMU 11.1.3 (and, by hand, 10.0.13), "iommu.passthrough=0" and a virtio-rng with
# iommu_platform=on:
#
# - With the controller that the machine has by default (PLIC), or with
#   aia=aplic, there is no unit in /sys/class/iommu.  The driver of the PCI form
#   fails for want of interrupt messages; that of the other waits for a supplier,
#   the CPU, for ever.  After ten seconds the devices get their drivers all the
#   same, have no group, and are not translated.
# - With aia=aplic-imsic all looks well: the unit is there, each device is in a
#   group and has a driver, and the log says "Default domain type: Translated (set
#   via kernel command line)".  But each group's type is "identity", another one
#   is refused, of a device without a driver as well, and no message says why.
#
# So of the machines that one can ask for, Linux translates in none, and a device
# that has worked behind this unit has not been tested behind an IOMMU.
#
# What follows for us: nothing, as no RISC-V machine is built here.  Our guest
# tests look at a device's group and its type, not at the log's line.

set -eu
suite=sid
emulator=1:11.1.3+ds-1
release=7.2.13+deb14-riscv64
kernel=7.2.13-1
shell=1:1.38.0-3+b1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# The emulator with every library down to the C library, its firmware, and the
# guest's kernel and static shell, are unpacked in $dir.  Nothing is installed.
mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/root" "$dir/guest"
echo "deb [arch=amd64,riscv64] $uri $suite main" >"$dir/sources.list"
cat >"$dir/apt.conf" <<CONF
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State "$dir";
Dir::State::status "/dev/null";
Dir::State::Lists "$dir/lists";
Dir::Cache "$dir";
Dir::Cache::archives "$dir/archives";
APT::Architecture "amd64";
APT::Architectures { "amd64"; "riscv64"; };
APT::Sandbox::User "";
Acquire::Languages "none";
Debug::NoLocking "true";
CONF
export APT_CONFIG="$dir/apt.conf"
apt-get -qq update
apt-get -qq -y --download-only --no-install-recommends install \
    "qemu-system-riscv=$emulator" >/dev/null
for deb in "$dir"/archives/*.deb; do
    dpkg-deb -x "$deb" "$dir/root"
done
(cd "$dir/guest" && apt-get -qq download "busybox-static:riscv64=$shell" \
    "linux-binary-$release:riscv64=$kernel" \
    "linux-modules-$release:riscv64=$kernel")
for deb in "$dir"/guest/*.deb; do
    dpkg-deb -x "$deb" "$dir/guest"
done

# An initramfs: busybox, one driver, and a script that says what there is.
cat >"$dir/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
for module in $(/bin/busybox cat /order); do
    /bin/busybox insmod /$module
done
# The kernel waits for the unit's driver for ten seconds.
/bin/busybox sleep 20
units=$(/bin/busybox ls /sys/class/iommu)
rng=/sys/bus/pci/devices/0000:00:04.0
driver=none type=none
[ ! -e $rng/driver ] ||
    driver=$(/bin/busybox basename "$(/bin/busybox readlink $rng/driver)")
[ ! -e $rng/iommu_group ] || type=$(/bin/busybox cat $rng/iommu_group/type)
echo "SAY unit: ${units:-none}, driver: $driver, type: $type"
for group in /sys/kernel/iommu_groups/*; do
    [ ! -e $group/type ] || echo DMA >$group/type ||
        echo "SAY group of $(/bin/busybox ls $group/devices): DMA is refused"
done 2>/dev/null
/bin/busybox dmesg | /bin/busybox sed -n 's/^\[[^]]*\] *//
    /iommu: Default domain type\|^iommu_pci.*error\|probe pending/s/^/SAY /p'
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
busybox=$(find "$dir/guest" -name busybox -type f -perm -100 | head -n 1)
vmlinuz=$(find "$dir/guest" -name 'vmlinu*' -type f | head -n 1)
bios=$(find "$dir/root" -name fw_dynamic.bin | head -n 1)
python3 "$dir/initramfs.py" "$dir/guest/usr/lib/modules" "$busybox" \
    "$dir/init" virtio_pci virtio_rng >"$dir/initramfs"

pci=riscv-iommu-pci,addr=1
for machine in 'virt -device '$pci virt,iommu-sys=on virt,aia=aplic,iommu-sys=on \
               'virt,aia=aplic-imsic -device '$pci \
               virt,aia=aplic-imsic,iommu-sys=on; do
    echo "$machine"
    # shellcheck disable=SC2086 # several words
    timeout 300 "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
        "$dir/root/usr/bin/qemu-system-riscv64" -L "$dir/root/usr/share/qemu" \
        -M $machine -m 512 -accel tcg -nodefaults -display none -no-reboot \
        -serial stdio -bios "$bios" -kernel "$vmlinuz" \
        -initrd "$dir/initramfs" \
        -append 'console=ttyS0 quiet panic=-1 iommu.passthrough=0' \
        -device virtio-rng-pci,disable-legacy=on,iommu_platform=on,addr=4 \
        2>/dev/null | tr -d '\r' | sed -n 's/^.*SAY /  /p'
done | tee "$dir/said"
log='iommu: Default domain type: Translated (set via kernel command line)'
waits='3010000.iommu: deferred probe pending: platform: wait for supplier /cpus/cpu@0'
cmp "$dir/said" - <<SEEN
virt -device riscv-iommu-pci,addr=1
  unit: none, driver: virtio-pci, type: none
  $log
  iommu_pci 0000:00:01.0: error -ENODEV: unable to allocate irq vectors
virt,iommu-sys=on
  unit: none, driver: virtio-pci, type: none
  $log
  platform $waits
virt,aia=aplic,iommu-sys=on
  unit: none, driver: virtio-pci, type: none
  $log
  platform $waits
virt,aia=aplic-imsic -device riscv-iommu-pci,addr=1
  unit: riscv-iommu@0000:00:01.0, driver: virtio-pci, type: identity
  group of 0000:00:00.0: DMA is refused
  group of 0000:00:04.0: DMA is refused
  $log
virt,aia=aplic-imsic,iommu-sys=on
  unit: riscv-iommu@3010000.iommu, driver: virtio-pci, type: identity
  group of 0000:00:00.0: DMA is refused
  group of 0000:00:04.0: DMA is refused
  $log
SEEN
echo 'as described: no unit, or one that translates nothing'
