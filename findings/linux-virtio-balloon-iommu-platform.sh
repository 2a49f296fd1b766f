#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A memory balloon behind an IOMMU: iommu_platform=on takes it away
#
# Who wants a machine whose virtio devices all go through the IOMMU gives each
# of them iommu_platform=on; QEMU has the property for the balloon as well, and
# libvirt an attribute (<driver iommu='on'/>).  Seen with Linux 6.12.117 and
# QEMU 10.0.13 (and, by hand, 7.3.4 with 11.1.3):
#
# - The balloon has no driver then.  Linux' driver takes
#   VIRTIO_F_ACCESS_PLATFORM out of what it accepts, whatever the device has,
#   and QEMU refuses a driver that does without.  The guest's log has "device
#   refuses features: 3", where 3 is a status, and no word of which.
# - The monitor's "balloon 256" is accepted, without an error, and the guest of
#   512 MiB keeps them all.  (By hand: "info balloon" goes on to say 512.)
# - Eight other virtio devices beside it are translated, each with its driver.
#   (By hand: pmem, mem and 9p as well.)
#
# With iommu_platform=off, its default, the balloon works in the same machine.
#
# What follows for us: docs/system/viommu-virtio-policy.rst has the balloon as
# the exception to virtio=translate, and how to write that for libvirt.

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

# An initramfs: busybox, drivers with what they need, and a script that says
# which virtio devices have one, waits for a line, and says what memory is gone.
cat >"$dir/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
for module in $(/bin/busybox cat /order); do
    /bin/busybox insmod /$module
done
/bin/busybox sleep 3
last() { set -- ${1:-/none}; echo "${1##*/}"; }
for device in /sys/bus/virtio/devices/*; do
    read id <$device/device
    read features <$device/features
    bit=${features#?????????????????????????????????}
    echo "SAY device $((id)) driver $(last $(/bin/busybox readlink \
        $device/driver)) feature 33: ${bit%${bit#?}}"
done | /bin/busybox sort -n -k 3
total() { /bin/busybox awk '/MemTotal/ { print $2 }' /proc/meminfo; }
before=$(total)
echo READY
read go
/bin/busybox sleep 8
echo SAY the guest has $(((before - $(total)) / 1024)) MiB less
/bin/busybox dmesg |
    /bin/busybox sed -n 's/^.*virtio[0-9]*: \(.*refuses\)/SAY \1/p'
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

cat >"$dir/boot.py" <<'PYTHON'
import subprocess
import sys
import time

# The monitor and the guest's console are one stream; Ctrl-A c goes from one to
# the other.
vm = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE,
                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
for line in vm.stdout:
    line = line.decode(errors='replace').replace('\r', '')
    if 'SAY ' in line:
        print('  ' + line[line.index('SAY ') + 4:], end='', flush=True)
    if 'Error' in line:
        print('  monitor: ' + line, end='', flush=True)
    if line.startswith('READY'):
        for text in b'\1c', b'balloon 256\n', b'\1c', b'go\n':
            vm.stdin.write(text)
            vm.stdin.flush()
            time.sleep(1)
PYTHON

libs=$dir/root/usr/lib/x86_64-linux-gnu
busybox=$(find "$dir/root" -name busybox -type f -perm -100 | head -n 1)
python3 "$dir/initramfs.py" "$dir/root/usr/lib/modules" "$busybox" "$dir/init" \
    virtio_balloon virtio_blk virtio_net virtio_console virtio_rng virtio_scsi \
    virtio_input virtio_crypto virtio_snd >"$dir/initramfs"

# boot SETTING: with it for the balloon
boot() {
    echo "balloon with iommu_platform=$1"
    on=disable-legacy=on,iommu_platform=on
    timeout 300 python3 "$dir/boot.py" \
        "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
        "$dir/root/usr/bin/qemu-system-x86_64" \
        -L "$dir/root/usr/share/seabios" -L "$dir/root/usr/share/qemu" \
        -L "$dir/root/usr/lib/ipxe/qemu" \
        -M q35 -m 512 -accel tcg -nodefaults -display none -no-reboot \
        -serial mon:stdio -kernel "$dir/root/boot/vmlinuz-$release" \
        -initrd "$dir/initramfs" \
        -append 'console=ttyS0 quiet panic=-1 no_timer_check' \
        -device intel-iommu -blockdev null-co,node-name=disk,size=1048576 \
        -object cryptodev-backend-builtin,id=crypto -netdev user,id=net \
        -audiodev none,id=audio \
        -device "virtio-balloon-pci,disable-legacy=on,iommu_platform=$1" \
        -device "virtio-blk-pci,drive=disk,$on" \
        -device "virtio-net-pci,netdev=net,$on" \
        -device "virtio-serial-pci,$on" -device "virtio-rng-pci,$on" \
        -device "virtio-scsi-pci,$on" -device "virtio-keyboard-pci,$on" \
        -device "virtio-crypto-pci,cryptodev=crypto,$on" \
        -device "virtio-sound-pci,audiodev=audio,$on"
}

{ boot on; boot off; } | tee "$dir/said"
cmp "$dir/said" - <<'SEEN'
balloon with iommu_platform=on
  device 1 driver virtio_net feature 33: 1
  device 2 driver virtio_blk feature 33: 1
  device 3 driver virtio_console feature 33: 1
  device 4 driver virtio_rng feature 33: 1
  device 5 driver none feature 33: 0
  device 8 driver virtio_scsi feature 33: 1
  device 18 driver virtio_input feature 33: 1
  device 20 driver virtio_crypto feature 33: 1
  device 25 driver virtio_snd feature 33: 1
  the guest has 0 MiB less
  device refuses features: 3
balloon with iommu_platform=off
  device 1 driver virtio_net feature 33: 1
  device 2 driver virtio_blk feature 33: 1
  device 3 driver virtio_console feature 33: 1
  device 4 driver virtio_rng feature 33: 1
  device 5 driver virtio_balloon feature 33: 0
  device 8 driver virtio_scsi feature 33: 1
  device 18 driver virtio_input feature 33: 1
  device 20 driver virtio_crypto feature 33: 1
  device 25 driver virtio_snd feature 33: 1
  the guest has 256 MiB less
SEEN
echo 'as described: with iommu_platform=on there is no balloon'
