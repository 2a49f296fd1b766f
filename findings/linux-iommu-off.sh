#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Linux and iommu=off, with each of the IOMMUs of an emulated PC
#
# The kernel's documentation has it that no IOMMU of any kind is initialised or
# used then.  Seen with 6.12.117 and QEMU 10.0.13 (and, by hand, 7.3.4):
#
# - intel-iommu: DMA is not translated, and the unit is not in sysfs.  But it is
#   initialised and in use: all interrupts are remapped by it.
# - amd-iommu: off, interrupts as well.
# - virtio-iommu: no effect.  DMA is translated as without the word.
#
# In each case the log says "Default domain type: Translated", as if nothing had
# been said.
#
# What follows for us: who compares "with" and "without" leaves the unit out of
# the machine, or looks at it from outside (query-viommu): neither the word nor
# the guest's log tells.

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

# An initramfs: busybox, virtio-iommu's driver with what it needs, and a script
# that says what is in use.
cat >"$dir/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
for module in $(/bin/busybox cat /order); do
    /bin/busybox insmod /$module
done
/bin/busybox sleep 3
domains=$(/bin/busybox cat /sys/kernel/iommu_groups/*/type 2>/dev/null |
              /bin/busybox sort -u)
irqs=$(/bin/busybox sed -n 's/.* \([A-Z-]*PCI-MSI\).*/\1/p' /proc/interrupts |
           /bin/busybox sort -u)
echo SAY domains: ${domains:-none}, interrupts: $irqs
/bin/busybox dmesg |
    /bin/busybox sed -n 's/.*\(Default domain type: .*\)/SAY \1/p'
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
python3 "$dir/initramfs.py" "$dir/root/usr/lib/modules" "$busybox" "$dir/init" \
    virtio_iommu >"$dir/initramfs"

for unit in intel-iommu amd-iommu,intremap=on virtio-iommu-pci,addr=2; do
    for word in '' iommu=off; do
        echo "$unit${word:+ and $word}"
        timeout 300 "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
            "$dir/root/usr/bin/qemu-system-x86_64" \
            -L "$dir/root/usr/share/seabios" -L "$dir/root/usr/share/qemu" \
            -L "$dir/root/usr/lib/ipxe/qemu" \
            -M q35 -m 512 -accel tcg -nodefaults -display none -no-reboot \
            -serial stdio -kernel "$dir/root/boot/vmlinuz-$release" \
            -initrd "$dir/initramfs" -device pcie-root-port,addr=3 \
            -append "console=ttyS0 quiet panic=-1 no_timer_check $word" \
            -device "$unit" 2>/dev/null | tr -d '\r' | sed -n 's/^SAY /  /p'
    done
done | tee "$dir/said"
cmp "$dir/said" - <<'SEEN'
intel-iommu
  domains: DMA-FQ, interrupts: IR-PCI-MSI
  Default domain type: Translated
intel-iommu and iommu=off
  domains: none, interrupts: IR-PCI-MSI
  Default domain type: Translated
amd-iommu,intremap=on
  domains: DMA, interrupts: IR-PCI-MSI PCI-MSI
  Default domain type: Translated
amd-iommu,intremap=on and iommu=off
  domains: none, interrupts: PCI-MSI
  Default domain type: Translated
virtio-iommu-pci,addr=2
  domains: DMA-FQ, interrupts: PCI-MSI
  Default domain type: Translated
virtio-iommu-pci,addr=2 and iommu=off
  domains: DMA-FQ, interrupts: PCI-MSI
  Default domain type: Translated
SEEN
echo 'as described: one word, three meanings'
