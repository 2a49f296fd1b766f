#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# libvirt: settings of IOMMUs that do not reach the emulator
#
# Seen with libvirt 12.8.0 and QEMU 11.1.3, nothing of it with a message:
#
# - "virsh domxml-to-native" prints a network card without the iommu and ats of
#   its <driver>, a disk with them.  A domain that is started has both.  Who
#   looks there whether a card is translated is told no, and who runs what it
#   prints has one that is not.  (11.3.0 does the same, by hand.)
# - <iommu model='smmuv3'> with accel, ats, oas, ssidsize: without pciBus all of
#   them are dropped, for the command line is then "-machine iommu=smmuv3",
#   which has no place for them.  With pciBus they are all there.
# - Two such elements without pciBus make one SMMUv3.
# - <iommu model='amd'> is an amd-iommu without dma-remap, which QEMU 11 has off
#   by default: a guest sees the unit and uses it, and no DMA is translated.
#   There is no attribute for it.
#
# What follows for us: ours translates with that command line, as dma-remap is
# always on here.  Command lines in documentation come from a domain's log, not
# from domxml-to-native.
#
# It needs root: libvirt's daemon runs in a root directory and namespaces of its
# own.  (The network one is for domxml-to-native, which makes a TAP device.)

set -eu
suite=sid
libvirt=12.8.0-1
emulator=1:11.1.3+ds-1
shell=1:1.38.0-3+b1
[ "$(id -u)" = 0 ] || { echo 'run this as root' >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# libvirt and the emulators with everything they need, down to the C library, in
# $dir/root.  Nothing is installed.
root=$dir/root
mkdir -p "$dir/lists/partial" "$dir/archives/partial"
echo "deb [arch=amd64] $uri $suite main" >"$dir/sources.list"
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
apt-get -qq -y --download-only --no-install-recommends install \
    "libvirt-daemon-driver-qemu=$libvirt" "libvirt-daemon=$libvirt" \
    "libvirt-clients=$libvirt" "qemu-system-x86=$emulator" \
    "qemu-system-arm=$emulator" "busybox-static=$shell" >/dev/null
mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64"
for name in bin sbin lib lib64; do
    ln -s "usr/$name" "$root/$name"
done
for deb in "$dir"/archives/*.deb; do
    dpkg-deb -x "$deb" "$root"
done
mkdir -p "$root/dev/net" "$root/etc/libvirt" "$root/proc" "$root/root" \
    "$root/run/libvirt" "$root/tmp" "$root/var/log"
rm -rf "$root/var/run"
ln -s ../run "$root/var/run"
ln -sf busybox "$root/usr/bin/sh"
touch "$root/dev/null" "$root/dev/urandom" "$root/dev/net/tun"
echo 'root:x:0:0::/root:/bin/sh' >"$root/etc/passwd"
echo 'libvirt-qemu:x:64055:64055::/:/bin/sh' >>"$root/etc/passwd"
printf 'root:x:0:\nlibvirt-qemu:x:64055:\nkvm:x:104:\n' >"$root/etc/group"
cat >"$root/etc/libvirt/qemu.conf" <<'CONF'
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
CONF
printf 'unix_sock_group = "root"\nauth_unix_rw = "none"\n' \
    >"$root/etc/libvirt/libvirtd.conf"

# domain NAME ARCHITECTURE MACHINE DEVICES
domain() {
    cat >"$root/tmp/$1.xml" <<XML
<domain type='qemu'>
  <name>$1</name><memory>524288</memory>
  <os><type arch='$2' machine='$3'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-$2</emulator><memballoon model='none'/>
    $4
  </devices>
</domain>
XML
}
truncate -s 1M "$root/tmp/disk"
domain virtio x86_64 q35 "
    <interface type='user'>
      <model type='virtio'/><driver iommu='on' ats='on'/>
    </interface>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' iommu='on' ats='on'/>
      <source file='/tmp/disk'/><target dev='vda' bus='virtio'/>
    </disk>"
smmu="accel='on' ats='on' oas='48' ssidsize='16'"
domain smmuv3 aarch64 virt "<iommu model='smmuv3'><driver $smmu/></iommu>"
domain smmuv3-bus aarch64 virt \
    "<iommu model='smmuv3'><driver pciBus='0' $smmu/></iommu>"
domain smmuv3-two aarch64 virt "<iommu model='smmuv3'/><iommu model='smmuv3'/>"
domain amd x86_64 q35 "<iommu model='amd'><driver xtsup='on'/></iommu>"

# Whether a domain can go on from its start, here, does not matter: its command
# line is in its log.
cat >"$root/tmp/inside" <<'INSIDE'
virsh() { busybox timeout 60 /usr/bin/virsh -c qemu:///system "$@"; }
/usr/sbin/libvirtd &
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    busybox sleep 1
    ! virsh version >/dev/null || break
done
virsh domxml-to-native qemu-argv /tmp/virtio.xml >/tmp/native
for name in virtio smmuv3 smmuv3-bus smmuv3-two amd; do
    virsh create --paused /tmp/$name.xml
    virsh destroy $name
done
INSIDE
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    unshare --mount --net --pid --fork --kill-child sh -c '
        mount -t proc proc "$0/proc"
        for name in null urandom net/tun; do
            mount --bind "/dev/$name" "$0/dev/$name"
        done
        exec chroot "$0" /bin/sh /tmp/inside' "$root" >"$dir/said" 2>&1 || true

# devices FILE: the devices on a command line that this is about
devices() {
    tr ' ' '\n' <"$1" | tr -d "\"'{}" | sed 's/^driver://' |
        grep -E '^(virtio-(net|blk)-pci|virt-|arm-smmuv3|amd-iommu)' |
        sed 's/,\(bus\|drive\|id\|netdev\|pci-id\):[^,]*//g
             s/,\(addr\|bootindex\|mac\):[^,]*.*//; s/,dump-guest-core.*//
             s/,usb=off//; s/,gic-version=.//' | sort | xargs
}
cd "$dir"
{
    echo "printed: $(devices "$root/tmp/native")"
    for name in virtio smmuv3 smmuv3-bus smmuv3-two amd; do
        echo "$name: $(devices "$root/var/log/libvirt/qemu/$name.log")"
    done
} | tee seen
on=iommu_platform:true,ats:true
unit=arm-smmuv3,primary-bus:pcie.0
cmp seen - <<SEEN
printed: virtio-blk-pci,$on virtio-net-pci
virtio: virtio-blk-pci,$on virtio-net-pci,$on
smmuv3: virt-11.1,iommu=smmuv3
smmuv3-bus: $unit,accel:true,ats:on,ssidsize:16,oas:48 virt-11.1
smmuv3-two: virt-11.1,iommu=smmuv3
amd: amd-iommu,xtsup:true
SEEN
echo 'as described: settings that never arrive'
