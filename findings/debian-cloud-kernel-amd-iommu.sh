#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Debian's cloud kernels, and the IOMMU of an emulated PC
#
# The cloud flavour (linux-image-cloud-amd64) is Debian's kernel for virtual
# machines in a cloud.  Of the three IOMMUs that QEMU gives a PC it has the
# drivers of two, VT-d's and virtio-iommu's, and not AMD's.  Seen with Linux
# 6.12.117 and QEMU 10.0.13 (and, by hand, 7.2.13 with 11.1.3):
#
# - In a machine with amd-iommu no device has a group, nothing is in
#   /sys/class/iommu, interrupts are not remapped, and the DMA of a virtio
#   device with iommu_platform=on works, untranslated.
# - The log has the IVRS table, and "Default domain type: Translated", as that
#   of a kernel with the driver has.  No line says that a unit has no driver.
# - The same kernel uses intel-iommu, and Debian's other one uses amd-iommu.
#
# Neither of the two has iommufd or VFIO without an IOMMU (CONFIG_IOMMUFD,
# CONFIG_VFIO_NOIOMMU), nor has 7.3.4, or 7.2.13 for riscv64 and for arm64 with
# 16-KiB pages: what is said about these, from QEMU's "-object iommufd" to the
# noiommu mode of DPDK, is not for such a guest or host.
#
# What follows for us: docs/system/amd-iommu.rst says so.  Whether a guest uses
# its unit is asked from outside, by query-viommu.

set -eu
emulator=1:10.0.13+ds-0+deb13u1
cloud=6.12.117+deb13-cloud-amd64
other=6.12.117+deb13-amd64
shell=1:1.37.0-6+b9
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# The kernels, a static shell and the emulator, with every library down to the C
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
(cd "$dir/archives" &&
 apt-get -qq download "linux-image-$cloud" "linux-image-$other")
apt-get -qq -y --download-only --no-install-recommends install \
    "qemu-system-x86=$emulator" "busybox-static=$shell" >/dev/null
for deb in "$dir"/archives/*.deb; do
    dpkg-deb -x "$deb" "$dir/root"
done

# An initramfs: busybox, the driver of virtio-rng with what it needs, and a
# script that says what is in use.
cat >"$dir/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in $(/bin/busybox cat /order); do
    /bin/busybox insmod /$module
done
/bin/busybox sleep 2
set -- /sys/kernel/iommu_groups/[0-9]*
[ -e "$1" ] || shift
echo SAY groups: $#
echo SAY units: $(/bin/busybox ls /sys/class/iommu)
count=$(/bin/busybox dd if=/dev/hwrng bs=16 count=1 2>/dev/null |
            /bin/busybox wc -c)
irqs=$(/bin/busybox sed -n 's/.* \([A-Z-]*PCI-MSI\)X*-[0-9a-f:.]* .*/\1/p' \
           /proc/interrupts | /bin/busybox sort -u)
echo SAY bytes from virtio-rng: $count, interrupts: $irqs
/bin/busybox dmesg | /bin/busybox sed -n 's/^\[[^]]*\] *//
    /ACPI: IVRS/s/:* 0x.*//
    /IVRS$\|Default domain type:\|AMD-Vi: Interrupt remapping/s/^/SAY /p'
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
for name in 'bin', 'proc', 'sys', 'dev':
    entry(name, 0o40755)
for name, path in ('bin/busybox', busybox), ('init', init):
    with open(path, 'rb') as f:
        entry(name, 0o100755, f.read())
entry('order', 0o100644, '\n'.join(files).encode())
for name, image in files.items():
    entry(name, 0o100644, image)
entry('TRAILER!!!', 0)
PYTHON

# boot RELEASE DEVICE: what the script in the guest says
boot() {
    echo "$1 with $2"
    python3 "$dir/initramfs.py" "$dir/root/usr/lib/modules/$1" "$busybox" \
        "$dir/init" virtio_rng >"$dir/initramfs"
    timeout 300 "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
        "$dir/root/usr/bin/qemu-system-x86_64" \
        -L "$dir/root/usr/share/seabios" -L "$dir/root/usr/share/qemu" \
        -L "$dir/root/usr/lib/ipxe/qemu" \
        -M q35 -m 512 -accel tcg -nodefaults -display none -no-reboot \
        -serial stdio -kernel "$dir/root/boot/vmlinuz-$1" \
        -initrd "$dir/initramfs" \
        -append 'console=ttyS0 quiet panic=-1 no_timer_check' -device "$2" \
        -device virtio-rng-pci,iommu_platform=on,disable-legacy=on,addr=5 \
        2>/dev/null | tr -d '\r' | sed -n 's/^SAY /  /p'
}

libs=$dir/root/usr/lib/x86_64-linux-gnu
busybox=$(find "$dir/root" -name busybox -type f -perm -100 | head -n 1)
{
    for release in "$cloud" "$other"; do
        echo "config-$release"
        grep -E '^CONFIG_(AMD_IOMMU|INTEL_IOMMU|VIRTIO_IOMMU)=' \
            "$dir/root/boot/config-$release" | sort | sed 's/^/  /'
        grep -E '^# CONFIG_(IOMMUFD|VFIO_NOIOMMU) is not set' \
            "$dir/root/boot/config-$release" | sort | sed 's/^/  /'
    done
    boot "$cloud" amd-iommu,intremap=on
    boot "$cloud" intel-iommu
    boot "$other" amd-iommu,intremap=on
} | tee "$dir/said"
cmp "$dir/said" - <<SEEN
config-$cloud
  CONFIG_INTEL_IOMMU=y
  CONFIG_VIRTIO_IOMMU=m
  # CONFIG_IOMMUFD is not set
  # CONFIG_VFIO_NOIOMMU is not set
config-$other
  CONFIG_AMD_IOMMU=y
  CONFIG_INTEL_IOMMU=y
  CONFIG_VIRTIO_IOMMU=m
  # CONFIG_IOMMUFD is not set
  # CONFIG_VFIO_NOIOMMU is not set
$cloud with amd-iommu,intremap=on
  groups: 0
  units:
  bytes from virtio-rng: 16, interrupts: PCI-MSI
  ACPI: IVRS
  iommu: Default domain type: Translated
$cloud with intel-iommu
  groups: 3
  units: dmar0
  bytes from virtio-rng: 16, interrupts: IR-PCI-MSI
  iommu: Default domain type: Translated
$other with amd-iommu,intremap=on
  groups: 3
  units: ivhd0
  bytes from virtio-rng: 16, interrupts: IR-PCI-MSI PCI-MSI
  ACPI: IVRS
  iommu: Default domain type: Translated
  AMD-Vi: Interrupt remapping enabled
SEEN
echo 'as described: the kernel for virtual machines has no driver for this unit'
