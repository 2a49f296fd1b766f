#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# dtc, and the property that says which IOMMU PCI devices are behind
#
# A device in a device tree names its IOMMU by "iommus", a PCI host bridge that
# of its devices by "iommu-map", and the unit says by #iommu-cells how many
# cells follow.  dtc checks references of this kind, iommus and msi-parent among
# them.  Seen with dtc 1.8.1-2:
#
# - iommus that leads nowhere, leads to a node that is no IOMMU (here the
#   interrupt controller), or is too short, is a warning each time.
# - The same three mistakes in iommu-map, and two entries for the same devices:
#   no warning.
# - msi-parent that leads nowhere is a warning, msi-map is none.
#
# So it tells nothing of which devices are behind the IOMMU that a tree compiles
# without a warning.
#
# What follows for us: nothing to change, as the virt machine's tree is QEMU's
# own.  Guest tests look at each device's group; who edits a dumped tree looks
# there, too.

set -eu
version=1.8.1-2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# The compiler, with every library down to the C library, is unpacked in $dir.
# Nothing is installed.
mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/root"
echo "deb [arch=amd64] $uri sid main" >"$dir/sources.list"
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
    "device-tree-compiler=$version" >/dev/null
for deb in "$dir"/archives/*.deb; do
    dpkg-deb -x "$deb" "$dir/root"
done
libs=$dir/root/usr/lib/x86_64-linux-gnu

# tree NAME VALUE: a host bridge with that property, beside an SMMUv3, and what
# dtc says of it
tree() {
    echo "$1 = $2"
    "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
        "$dir/root/usr/bin/dtc" -I dts -O dtb -o "$dir/dtb" - 2>&1 <<DTS |
/dts-v1/;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    gic: interrupt-controller@8000000 {
        compatible = "arm,gic-v3";
        reg = <0 0x8000000 0 0x10000>;
        #interrupt-cells = <3>;
        interrupt-controller;
    };
    its: msi-controller@8080000 {
        compatible = "arm,gic-v3-its";
        reg = <0 0x8080000 0 0x20000>;
        msi-controller;
        #msi-cells = <1>;
    };
    smmu: iommu@9050000 {
        compatible = "arm,smmu-v3";
        reg = <0 0x9050000 0 0x20000>;
        #iommu-cells = <1>;
    };
    pcie@10000000 {
        compatible = "pci-host-ecam-generic";
        device_type = "pci";
        reg = <0x40 0x10000000 0 0x10000000>;
        bus-range = <0 0xff>;
        #address-cells = <3>;
        #size-cells = <2>;
        ranges = <0x2000000 0 0x10000000 0 0x10000000 0 0x2eff0000>;
        $1 = $2;
    };
};
DTS
        sed -n 's/.*Warning (\([a-z_]*\)).*/  Warning (\1)/p' | sort -u
}

{
    tree iommus '<&smmu 1>'
    tree iommus '<0x77 1>'
    tree iommus '<&gic 1>'
    tree iommus '<&smmu>'
    tree iommu-map '<0 &smmu 0 0x10000>'
    tree iommu-map '<0 0x77 0 0x10000>'
    tree iommu-map '<0 &gic 0 0x10000>'
    tree iommu-map '<0 &smmu 0>'
    tree iommu-map '<0 &smmu 0 0x10000>, <0 &smmu 0 0x10000>'
    tree msi-parent '<&its 0>'
    tree msi-parent '<0x77 0>'
    tree msi-map '<0 &its 0 0x10000>'
    tree msi-map '<0 0x77 0 0x10000>'
} | tee "$dir/said"
cmp "$dir/said" - <<'SEEN'
iommus = <&smmu 1>
iommus = <0x77 1>
  Warning (iommus_property)
iommus = <&gic 1>
  Warning (iommus_property)
iommus = <&smmu>
  Warning (iommus_property)
iommu-map = <0 &smmu 0 0x10000>
iommu-map = <0 0x77 0 0x10000>
iommu-map = <0 &gic 0 0x10000>
iommu-map = <0 &smmu 0>
iommu-map = <0 &smmu 0 0x10000>, <0 &smmu 0 0x10000>
msi-parent = <&its 0>
msi-parent = <0x77 0>
  Warning (msi_parent_property)
msi-map = <0 &its 0 0x10000>
msi-map = <0 0x77 0 0x10000>
SEEN
echo 'as described: a map that leads nowhere is no mistake for dtc'
