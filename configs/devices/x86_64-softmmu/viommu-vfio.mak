# SPDX-License-Identifier: GPL-2.0-or-later
# What scripts/guest-emulator builds: a machine with an assigned device behind
# a vIOMMU, which nothing runs in.
CONFIG_Q35=y
CONFIG_PCI_DEVICES=n
CONFIG_VTD=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_IOMMU=y
CONFIG_VFIO=y
CONFIG_VFIO_PCI=y
