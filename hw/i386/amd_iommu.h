/*
 * AMD IOMMU (AMD-Vi): the device's state, and what the machine needs of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * This header takes the place of the base's at the same path: acpi-build.c and
 * pc_q35.c include it.  Bit layouts are in hw/i386/amdvi/amdvi-spec.h,
 * functions in hw/i386/amdvi/amdvi-internal.h.
 */
#ifndef AMD_IOMMU_H
#define AMD_IOMMU_H

#include "hw/i386/amdvi/amdvi-spec.h"
#include "hw/i386/x86-iommu.h"
#include "hw/iommu/viommu-events.h"
#include "hw/iommu/viommu.h"
#include "hw/iommu/viommu-policy.h"
#include "hw/iommu/viommu-queue.h"
#include "hw/pci/pci_device.h"
#include "qemu/thread.h"
#include "qom/object.h"

#define TYPE_AMD_IOMMU_DEVICE "amd-iommu"
OBJECT_DECLARE_SIMPLE_TYPE(AMDVIState, AMD_IOMMU_DEVICE)

#define TYPE_AMD_IOMMU_PCI "AMDVI-PCI"
OBJECT_DECLARE_SIMPLE_TYPE(AMDVIPCIState, AMD_IOMMU_PCI)

/* Where the machine puts the registers */
#define AMDVI_BASE_ADDR 0xfed80000ULL

/* The unit as a PCI device: its capability block, and its interrupt (MSI) */
struct AMDVIPCIState {
    PCIDevice dev;
    uint32_t capab_offset;          /* of the capability block */
    bool used;                      /* there is a unit that it belongs to */
    Notifier machine_done;
};

/* The COMPLETION_WAIT that the command buffer stands at (48882 2.4.1) */
typedef struct AMDVIPendingWait {
    bool store;                     /* writes @data to @addr */
    bool interrupt;
    uint64_t addr, data;
} AMDVIPendingWait;

struct AMDVIState {
    X86IOMMUState iommu;
    AMDVIPCIState *pci;
    VIOMMU viommu;                  /* translation, invalidation, drain */
    VIOMMUPolicy policy;            /* the property "virtio" is in here */
    MemoryRegion mr_mmio;           /* the registers */
    MemoryRegion window;            /* where devices request interrupts */

    /* Properties */
    bool xtsup;
    bool gtsup;
    bool dma_remap;
    char *pci_id;                   /* NULL: @pci is our own */
    OnOffAuto southbridge;

    uint64_t efr;                   /* Extended Feature Register */

    /*
     * Any thread: an access may be translated, and an event come, in an
     * iothread.  Protects what comes here up to the next blank line.  A leaf
     * lock: nothing is called with it held.  Everything else is protected by
     * the BQL.
     */
    QemuMutex lock;
    uint64_t devtab;                /* registers, named as in amdvi-spec.h */
    uint64_t control;
    uint64_t status;
    uint64_t event_base;
    uint64_t excl_base;
    uint64_t excl_limit;

    bool nested_seen;               /* atomic; see amdvi_inv_nested() */
    uint64_t cmd_base;
    uint64_t xt_int;
    uint32_t cmd_head;              /* these in bytes, as in the registers */
    uint32_t cmd_tail;
    uint32_t event_head;
    uint32_t event_tail;

    VIOMMUQueue queue;              /* the command buffer */
    AMDVIPendingWait wait;          /* of the command at cmd_head */
    VIOMMUEvents events;            /* AMDVIEvent, not in the log yet */
    bool event_news;                /* of which there is no interrupt yet */
    VMChangeStateEntry *vmstate;

    PCIDevice *smbus;               /* to be plugged in when all else is */

    uint64_t stream_efr;            /* while a migration stream is read */
};

/* What the base's amd-iommu-test calls some of amdvi-spec.h's names */
#define AMDVI_MMIO_COMMAND_BASE         AMDVI_REG_CMD_BASE
#define AMDVI_MMIO_COMMAND_HEAD         AMDVI_REG_CMD_HEAD
#define AMDVI_MMIO_COMMAND_TAIL         AMDVI_REG_CMD_TAIL
#define AMDVI_MMIO_CMDBUF_HEAD_MASK     AMDVI_RING_POINTER
#define AMDVI_MMIO_CONTROL              AMDVI_REG_CONTROL
#define AMDVI_MMIO_CONTROL_AMDVIEN      AMDVI_CONTROL_IOMMU_EN
#define AMDVI_MMIO_CONTROL_CMDBUFLEN    AMDVI_CONTROL_CMD_BUF_EN
#define AMDVI_COMMAND_SIZE              (1 << AMDVI_RING_ENTRY_SHIFT)

/** amdvi_extended_feature_register: EFR, for the table IVRS */
uint64_t amdvi_extended_feature_register(AMDVIState *s);
/** amdvi_ivhd_features: EFR's guest translations, as IVHD type 10h has them */
uint32_t amdvi_ivhd_features(AMDVIState *s);
/**
 * amdvi_ivhd_40h: append a block of type 40h to @table, the table IVRS, whose
 * last @len bytes are the block of type 11h.  BQL.
 *
 * It has that one's form, and may name devices besides that only ACPI knows
 * (5.2.2); none of them is behind the unit.
 */
void amdvi_ivhd_40h(GArray *table, unsigned len);

#endif
