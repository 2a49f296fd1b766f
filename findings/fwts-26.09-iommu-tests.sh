#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# fwts, the firmware test suite, and a guest with an IOMMU
#
# It has tests for DMAR and IVRS, and it looks for known trouble in the kernel's
# log.  Seen with fwts 26.09.00, Linux 6.12.117 and QEMU 11.1.3:
#
# - dmar has two results.  "Found no DMAR errors in kernel log" is PASSED in a
#   guest whose log has a fault of VT-d's, one line above: what it looks for is a
#   line as kernels wrote it long ago.  klog passes as well, which knows some
#   hundreds of messages.
# - The other one, on the table, is not there at all: the first device scope of
#   QEMU's only unit is the I/O APIC's, as a table has to have one for interrupt
#   remapping, and then the test says "the test case should be fixed" and ends,
#   neither passed nor failed.  The count of failures is 0.
# - ivrs prints a unity map (IVMD) at 0x5000 which is at 0x50000000, and passes:
#   address and length are read two bytes too far, behind a segment number for
#   which there are no bytes of its own.  Only the raw table tells.
#
# What follows for us: a clean run of it says nothing of our tables, which our
# tests compare as bytes; a guest's faults are looked for by query-viommu.

set -eu
suite=sid
tool=26.09.00-1
emulator=1:11.1.3+ds-1
release=6.12.117+deb13-amd64
shell=1:1.38.0-3+b1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# The kernel, a static shell, the emulator and fwts, with every library down to
# the C library, are unpacked in $dir.  Nothing is installed.
mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/root" "$dir/tables"
for name in trixie "$suite"; do
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
(cd "$dir/archives" && apt-get -qq download "linux-image-$release")
apt-get -qq -y --download-only --no-install-recommends -t "$suite" install \
    "qemu-system-x86=$emulator" "fwts=$tool" "busybox-static=$shell" >/dev/null
for deb in "$dir"/archives/*.deb; do
    dpkg-deb -x "$deb" "$dir/root"
done
libs=$dir/root/usr/lib/x86_64-linux-gnu
loader=$libs/ld-linux-x86-64.so.2

# The tables of a PC with an AMD IOMMU: a pointer to nothing but an IVRS with a
# unit, and one MiB at 0x50000000 for all devices.
cat >"$dir/tables.py" <<'PYTHON'
import struct
import sys


def table(signature, revision, body):
    header = struct.pack('<4sIBB6s8sI4sI', signature, 36 + len(body), revision,
                         0, b'MAKER ', b'MACHINE ', 1, b'BXPC', 1)
    data = bytearray(header + body)
    data[9] = -sum(data) & 0xff
    return bytes(data)


devices = (struct.pack('<BHB', 3, 0, 0) + struct.pack('<BHB', 4, 0xffff, 0) +
           struct.pack('<BHBBHB', 0x48, 0, 0, 0, 0xa0, 1))
unit = struct.pack('<BBHHHQHHI', 0x10, 0, 24 + len(devices), 8, 0x40,
                   0xfed80000, 0, 0, 0) + devices
unity = struct.pack('<BBHHHQQQ', 0x20, 7, 32, 0, 0, 0, 0x50000000, 0x100000)
extended = struct.pack('<BBHHHQHHIQQ', 0x11, 0, 40 + len(devices), 8, 0x40,
                       0xfed80000, 0, 0, 0, 0, 0) + devices
with open(sys.argv[1] + '/IVRS.dat', 'wb') as f:
    f.write(table(b'IVRS', 2, struct.pack('<IQ', 0x2801, 0) +
                  unit + unity + extended))
PYTHON
python3 "$dir/tables.py" "$dir/tables"
cd "$dir"
"$loader" --library-path "$libs:$libs/fwts" "$dir/root/usr/bin/fwts" \
    -j "$dir/root/usr/share/fwts" --table-path="$dir/tables" -r stdout ivrs \
    2>/dev/null | tr '\r' '\n' | sed -n 's/[[:blank:]][[:blank:]]*/ /g; s/^ //
        /^Start address/p; /^Memory block length/p
        s/.*\(PASSED\|FAILED\)/ivrs: \1/p' | tee said

# An initramfs: busybox, fwts with its libraries, and a script that has QEMU's
# edu device at 00:04.0 read where nothing is mapped, and runs the tests then.
# It is bound to pci-stub, which does nothing with it, and the script writes to
# its registers: source, destination, length, go.
cat >init <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in $(/bin/busybox cat /order); do
    /bin/busybox insmod /$module
done
edu=/sys/bus/pci/devices/0000:00:04.0
echo 1234 11e8 >/sys/bus/pci/drivers/pci-stub/new_id
/bin/busybox sleep 1
echo 1 >$edu/enable
printf '\006' |
    /bin/busybox dd of=$edu/config bs=1 seek=4 conv=notrunc 2>/dev/null
read bar rest <$edu/resource
/bin/busybox devmem $((bar + 0x80)) 32 0x8000000
/bin/busybox devmem $((bar + 0x88)) 32 0x40000
/bin/busybox devmem $((bar + 0x90)) 32 4
/bin/busybox devmem $((bar + 0x98)) 32 1
/bin/busybox sleep 3
/bin/busybox dmesg |
    /bin/busybox sed -n 's/^\[[^]]*\] */SAY log: /; /fault addr/p'
for test in dmar klog; do
    /lib/ld-linux-x86-64.so.2 --library-path /lib /bin/fwts -j /share \
        -r stdout $test | /bin/busybox tr '\r' '\n' | /bin/busybox sed -n \
        "s/^.*\(PASSED\|FAILED\|Unknown device\)/SAY $test: \1/p
         s/^[0-9]* passed.*/SAY $test: &/p" | /bin/busybox uniq
done
/bin/busybox sleep 1
/bin/busybox poweroff -f
INIT
cat >initramfs.py <<'PYTHON'
import lzma
import os
import subprocess
import sys

root, release, busybox = sys.argv[1:]
libs = root + '/usr/lib/x86_64-linux-gnu'
loader = libs + '/ld-linux-x86-64.so.2'


def entry(name, mode, data=b''):
    path = name.encode() + b'\0'
    head = b'070701' + b''.join(b'%08x' % n for n in (
        0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)) + path
    for part in head, data:
        sys.stdout.buffer.write(part + bytes(-len(part) % 4))


for name in 'bin', 'dev', 'lib', 'proc', 'share', 'sys', 'tmp':
    entry(name, 0o40755)
files = {'bin/busybox': busybox, 'bin/fwts': root + '/usr/bin/fwts',
         'init': 'init', 'lib/ld-linux-x86-64.so.2': loader}
for name in os.listdir(root + '/usr/share/fwts'):
    files['share/' + name] = root + '/usr/share/fwts/' + name
listed = subprocess.run([loader, '--library-path', libs + ':' + libs + '/fwts',
                         '--list', files['bin/fwts']],
                        capture_output=True, check=True, text=True).stdout
for line in listed.splitlines():
    words = line.split()
    if len(words) > 2 and words[1] == '=>':
        files['lib/' + words[0]] = words[2]
for name, path in files.items():
    with open(path, 'rb') as f:
        entry(name, 0o100755, f.read())
for folder, _, names in os.walk(f'{root}/usr/lib/modules/{release}'):
    for name in names:
        if name.startswith('pci-stub.ko'):
            with open(folder + '/' + name, 'rb') as f:
                image = f.read()
            if name.endswith('.xz'):
                image = lzma.decompress(image)
            entry('pci-stub', 0o100644, image)
            entry('order', 0o100644, b'pci-stub')
entry('TRAILER!!!', 0)
PYTHON
busybox=$(find "$dir/root" -name busybox -type f -perm -100 | head -n 1)
python3 initramfs.py "$dir/root" "$release" "$busybox" >initramfs
timeout 300 "$loader" --library-path "$libs" \
    "$dir/root/usr/bin/qemu-system-x86_64" \
    -L "$dir/root/usr/share/seabios" -L "$dir/root/usr/share/qemu" \
    -L "$dir/root/usr/lib/ipxe/qemu" \
    -M q35 -m 768 -accel tcg -nodefaults -display none -no-reboot \
    -serial stdio -kernel "$dir/root/boot/vmlinuz-$release" -initrd initramfs \
    -append 'console=ttyS0 quiet panic=-1 no_timer_check' \
    -device intel-iommu -device edu,addr=4 2>/dev/null | tr -d '\r' |
    sed -n 's/^.*SAY //p' | tee -a said
fault='[fault reason 0x06] PTE Read access is not set'
read='[DMA Read NO_PASID] Request device [00:04.0] fault addr 0x8000000'
cmp said - <<SEEN
Start address: 0x0000000000005000
Memory block length: 0x0011000000000010
ivrs: PASSED: Test 1, No issues found in IVRS table.
log: DMAR: $read $fault
dmar: Unknown device scope type, the test case should be fixed.
dmar: PASSED: Test 1, Found no DMAR errors in kernel log.
dmar: 1 passed, 0 failed, 0 warning, 0 aborted, 0 skipped, 0 info only.
klog: PASSED: Test 1, Found no errors in kernel log.
klog: 1 passed, 0 failed, 0 warning, 0 aborted, 0 skipped, 0 info only.
SEEN
echo 'as described: passed, whatever there is'
