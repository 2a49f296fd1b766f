#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Initramfs generators, and the driver of virtio-iommu
#
# With Debian's kernels it is a module, and a device behind the unit has to wait
# for it.  Seen with initramfs-tools 0.148.4, MODULES=most, its default ("most
# filesystem and all harddrive drivers"), and with dracut 106-6 and
# --no-hostonly, for Linux 6.12.117: of more than 800 modules in either, those of
# virtio's disks and of virtio over MMIO among them, virtio_iommu is none.  (By
# hand, initramfs-tools 0.151 and dracut 112-7 for Linux 7.2.13: the same.)  So a
# guest that is complete for its disk does not find it when the host adds a
# virtio-iommu, with Linux 6.12, and finds it untranslated with 7.3
# (linux-virtio-iommu-late-driver.sh).
#
# A line "virtio_iommu" in /etc/initramfs-tools/modules, and dracut's
# --add-drivers, put it in.
#
# What follows for us: docs/system/virtio-iommu.rst says how to put it in.  Our
# guest tests make their own initramfs, with it (scripts/guest-initramfs).
#
# It needs root: the generators run in a root directory of their own.

set -eu
suite=trixie
kernel=6.12.117-1
release=6.12.117+deb13-amd64
tools=0.148.4
dracut=106-6
[ "$(id -u)" = 0 ] || { echo 'run this as root' >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# Both generators and the kernel, with everything that they need, down to the C
# library, in $dir/root.  Nothing is installed.
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
    "initramfs-tools=$tools" "dracut-core=$dracut" \
    "linux-image-$release=$kernel" bash busybox coreutils dash debianutils \
    diffutils dpkg findutils grep gzip libc-bin mawk sed tar util-linux zstd \
    >/dev/null
mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64"
for name in bin sbin lib lib64; do
    ln -s "usr/$name" "$root/$name"
done
for deb in "$dir"/archives/*.deb; do
    dpkg-deb -x "$deb" "$root"
done
ln -sf dash "$root/usr/bin/sh"
ln -sf mawk "$root/usr/bin/awk"
mkdir -p "$root/dev" "$root/etc" "$root/proc" "$root/sys" "$root/tmp"
touch "$root/dev/null" "$root/dev/urandom"
echo 'root:x:0:0::/root:/bin/sh' >"$root/etc/passwd"

cat >"$root/tmp/inside" <<'INSIDE'
set -u
release=$1
depmod "$release"
# modules NAME COMMAND...: how many the image has, and which of these
modules() {
    name=$1
    shift
    "$@" 2>/dev/null | sed -n 's/\.ko\.xz$//; s/.*\/lib\/modules\/.*\///p' |
        tr - _ | sort -u >/tmp/list
    [ "$(wc -l </tmp/list)" -gt 500 ] && echo "$name: hundreds of modules"
    for module in virtio_blk virtio_scsi virtio_mmio virtio_iommu; do
        grep -qx "$module" /tmp/list && echo "  $module" || echo "  no $module"
    done
}
mkinitramfs -o /tmp/image "$release" >/dev/null
modules initramfs-tools lsinitramfs /tmp/image
echo virtio_iommu >>/etc/initramfs-tools/modules
mkinitramfs -o /tmp/image "$release" >/dev/null
modules 'with a line' lsinitramfs /tmp/image
dracut --no-hostonly --force --kver "$release" /tmp/image >/dev/null
modules dracut lsinitrd /tmp/image
dracut --no-hostonly --force --kver "$release" --add-drivers virtio_iommu \
    /tmp/image >/dev/null
modules 'with --add-drivers' lsinitrd /tmp/image
INSIDE
env -i PATH=/usr/sbin:/usr/bin \
    unshare --mount --net --pid --fork --kill-child sh -c '
        mount -t proc proc "$0/proc"
        for name in null urandom; do
            mount --bind "/dev/$name" "$0/dev/$name"
        done
        exec chroot "$0" /bin/bash /tmp/inside "$1"' "$root" "$release" \
    2>"$dir/errors" | tee "$dir/said"
cmp "$dir/said" - <<'SEEN'
initramfs-tools: hundreds of modules
  virtio_blk
  virtio_scsi
  virtio_mmio
  no virtio_iommu
with a line: hundreds of modules
  virtio_blk
  virtio_scsi
  virtio_mmio
  virtio_iommu
dracut: hundreds of modules
  virtio_blk
  virtio_scsi
  virtio_mmio
  no virtio_iommu
with --add-drivers: hundreds of modules
  virtio_blk
  virtio_scsi
  virtio_mmio
  virtio_iommu
SEEN
echo 'as described: the disk is in, what is in front of it is not'
