#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# libvirt's virt-host-validate in a guest with an IOMMU
#
# It says whether a host can assign devices, and inside a guest that is to have
# guests of its own one asks it first.  Seen with libvirt 12.8.0, Linux 6.12.117
# and QEMU 11.1.3, devices in groups of type DMA-FQ or DMA in all of these:
#
# - It looks for the table that fits the processor, not for one that is there:
#   IVRS for one with SVM, DMAR for one with VMX, and with neither it says
#   "unknown".  QEMU's default processor has SVM, so with intel-iommu the answer
#   is that there is no IVRS and the IOMMU "disabled in BIOS or not supported".
#   A guest that cannot nest gets "unknown" with each IOMMU.
# - It does not know of VIOT, so with virtio-iommu it is one of these, always.
# - With amd-iommu as QEMU 11 has it by default, without dma-remap, it says PASS
#   twice, though no DMA is translated (libvirt-12.8-iommu-settings-lost.sh).
# - After a warning it does not go on to ask whether the kernel uses the IOMMU.
#
# What follows for us: a complaint of it about a guest of ours says nothing, and
# its PASS not much.  Documentation sends people to /sys/kernel/iommu_groups and
# to query-viommu (docs/system/viommu-virtio-policy.rst).

set -eu
libvirt=12.8.0-1
emulator=1:11.1.3+ds-1
release=6.12.117+deb13-amd64
shell=1:1.38.0-3+b1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# The kernel, a static shell, the emulator and libvirt, with every library down
# to the C library, are unpacked in $dir.  Nothing is installed.
mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/root"
for name in trixie sid; do
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
(cd "$dir/archives" && apt-get -qq download "linux-image-$release" \
    "libvirt-daemon-common=$libvirt")
apt-get -qq -y --download-only --no-install-recommends -t sid install \
    "qemu-system-x86=$emulator" "libvirt0=$libvirt" "busybox-static=$shell" \
    >/dev/null
for deb in "$dir"/archives/*.deb; do
    dpkg-deb -x "$deb" "$dir/root"
done
libs=$dir/root/usr/lib/x86_64-linux-gnu
loader=$libs/ld-linux-x86-64.so.2
tool=$dir/root/usr/bin/virt-host-validate

# An initramfs: busybox, virtio-iommu's driver, the tool with its libraries, and
# a script that says what it says, and what type a device's group has.
cat >"$dir/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in $(/bin/busybox cat /order); do
    /bin/busybox insmod /$module
done
/bin/busybox sleep 1
type=$(/bin/busybox cat /sys/bus/pci/devices/0000:00:03.0/iommu_group/type)
echo "SAY group: $type"
/lib/ld-linux-x86-64.so.2 --library-path /lib /bin/virt-host-validate qemu \
    >/said 2>&1
/bin/busybox sed -n 's/^ *QEMU: Checking \(.*IOMMU.*\)/SAY \1/p' /said
/bin/busybox sleep 1
/bin/busybox poweroff -f
INIT
cat >"$dir/initramfs.py" <<'PYTHON'
import lzma
import os
import subprocess
import sys

tree, loader, libs, tool, busybox, init, wanted = sys.argv[1:]
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


module(wanted)
for name in 'bin', 'dev', 'lib', 'proc', 'sys':
    entry(name, 0o40755)
programs = {'bin/busybox': busybox, 'init': init,
            'bin/virt-host-validate': tool, 'lib/ld-linux-x86-64.so.2': loader}
listed = subprocess.run([loader, '--library-path', libs, '--list', tool],
                        capture_output=True, check=True, text=True).stdout
for line in listed.splitlines():
    words = line.split()
    if len(words) > 2 and words[1] == '=>':
        programs['lib/' + words[0]] = words[2]
for name, path in programs.items():
    with open(path, 'rb') as f:
        entry(name, 0o100755, f.read())
entry('order', 0o100644, '\n'.join(files).encode())
for name, image in files.items():
    entry(name, 0o100644, image)
entry('TRAILER!!!', 0)
PYTHON
busybox=$(find "$dir/root" -name busybox -type f -perm -100 | head -n 1)
python3 "$dir/initramfs.py" "$dir/root/usr/lib/modules" "$loader" "$libs" \
    "$tool" "$busybox" "$dir/init" virtio_iommu >"$dir/initramfs"

for machine in intel-iommu 'intel-iommu -cpu Nehalem' virtio-iommu-pci,addr=2 \
               'amd-iommu -cpu Nehalem' amd-iommu amd-iommu,dma-remap=on; do
    echo "$machine"
    # shellcheck disable=SC2086 # several words
    timeout 300 "$loader" --library-path "$libs" \
        "$dir/root/usr/bin/qemu-system-x86_64" \
        -L "$dir/root/usr/share/seabios" -L "$dir/root/usr/share/qemu" \
        -L "$dir/root/usr/lib/ipxe/qemu" \
        -M q35 -m 768 -accel tcg -nodefaults -display none -no-reboot \
        -serial stdio -kernel "$dir/root/boot/vmlinuz-$release" \
        -initrd "$dir/initramfs" -device pcie-root-port,addr=3 \
        -append 'console=ttyS0 quiet panic=-1 no_timer_check' \
        -device $machine 2>/dev/null | tr -d '\r' |
        sed -n 's/  *: /: /; s/ *$//; s/^.*SAY /  /p'
done | tee "$dir/said"
no_ivrs='WARN (No ACPI IVRS table found, IOMMU either disabled in BIOS or not '
no_ivrs="${no_ivrs}supported by this hardware platform)"
unknown='WARN (Unknown if this platform has IOMMU support)'
cmp "$dir/said" - <<SEEN
intel-iommu
  group: DMA-FQ
  for device assignment IOMMU support: $no_ivrs
intel-iommu -cpu Nehalem
  group: DMA-FQ
  for device assignment IOMMU support: $unknown
virtio-iommu-pci,addr=2
  group: DMA-FQ
  for device assignment IOMMU support: $no_ivrs
amd-iommu -cpu Nehalem
  group: DMA
  for device assignment IOMMU support: $unknown
amd-iommu
  group: DMA
  for device assignment IOMMU support: PASS
  if IOMMU is enabled by kernel: PASS
amd-iommu,dma-remap=on
  group: DMA
  for device assignment IOMMU support: PASS
  if IOMMU is enabled by kernel: PASS
SEEN
echo 'as described: WARN where DMA is translated, and PASS where it is not'
