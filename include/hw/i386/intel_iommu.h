/*
 * Intel IOMMU (VT-d): the device's state, and what the machine needs of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * This header takes the place of the base's at the same path: acpi-build.c,
 * pc.c, pc_q35.c and kvm.c include it.  Bit layouts are in
 * hw/i386/vtd/vtd-spec.h, functions in hw/i386/vtd/vtd-internal.h.
 */
#ifndef HW_I386_INTEL_IOMMU_H
#define HW_I386_INTEL_IOMMU_H

#include "hw/i386/x86-iommu.h"
#include "hw/iommu/viommu.h"
#include "hw/iommu/viommu-policy.h"
#include "hw/iommu/viommu-queue.h"
#include "qemu/thread.h"
#include "qom/object.h"

#define TYPE_INTEL_IOMMU_DEVICE "intel-iommu"
OBJECT_DECLARE_SIMPLE_TYPE(IntelIOMMUState, INTEL_IOMMU_DEVICE)

/* Where the machine puts the remapping unit's registers */
#define Q35_HOST_BRIDGE_IOMMU_ADDR  0xfed90000ULL

/*
 * Size of the register window with one fault recording register, and of the
 * register file in the migration stream whatever their number.
 */
#define DMAR_REG_SIZE               0x230

/* The most the register window can be: one page, for BIOSes and guests alike */
#define VTD_REG_WINDOW_MAX          0x1000

#define VTD_HOST_AW_39BIT           39
#define VTD_HOST_AW_48BIT           48
#define VTD_HOST_AW_57BIT           57
#define VTD_HOST_ADDRESS_WIDTH      VTD_HOST_AW_48BIT
#define VTD_MGAW_FROM_CAP(cap)      (((cap) >> 16) & 0x3fULL)

/* DMAR ACPI table, Flags (VT-d 8.1): interrupt remapping is supported */
#define DMAR_REPORT_F_INTR          1

/* How KVM splits the address of an MSI */
#define VTD_MSI_ADDR_HI_MASK        0xffffffff00000000ULL
#define VTD_MSI_ADDR_HI_SHIFT       32
#define VTD_MSI_ADDR_LO_MASK        0x00000000ffffffffULL

/* The wait descriptor that the invalidation queue stands at (VT-d 6.5.2.9) */
typedef struct VTDPendingWait {
    bool sw;                        /* writes @data to @addr */
    bool intr;                      /* raises the completion event */
    uint32_t data;
    dma_addr_t addr;
} VTDPendingWait;

struct IntelIOMMUState {
    X86IOMMUState x86_iommu;
    VIOMMU viommu;                  /* translation, invalidation, drain */
    MemoryRegion csrmem;            /* the registers */
    MemoryRegion ir_window;         /* where devices request interrupts */
    Notifier machine_done;
    VIOMMUPolicy policy;            /* the property "virtio" is in here */

    /* Properties */
    uint32_t version;
    bool caching_mode;
    char *profile;
    uint32_t given;                 /* properties that were; vtd-props.c */
    bool scalable_mode;
    bool fsts;
    bool ssts;
    bool nesting;
    bool ssads;
    bool eafs;
    bool rps;
    bool svm;                       /* page requests */
    bool snoop_control;
    bool pasid;
    uint8_t pasid_bits;             /* 0: no requests with PASID */
    bool dma_drain;
    bool dma_translation;
    bool stale_tm;
    bool fs1gp;
    bool buggy_eim;
    bool ioapic_sid_check;
    bool page_walk_coherency;
    bool posted_interrupts;
    OnOffAuto intr_eim;             /* AUTO is decided in realize */
    uint8_t aw_bits;
    uint8_t fault_records;

    uint64_t cap;                   /* CAP_REG */
    uint64_t ecap;                  /* ECAP_REG */
    uint32_t reg_size;              /* of the register window */

    /*
     * Any thread: a fault may come from an iothread.  Protects the register
     * file, next_frcd_reg and the root.  A leaf lock: nothing is called with it
     * held, above all no memory access and nothing that wants the BQL.
     * Everything else here is protected by the BQL.
     */
    QemuMutex lock;
    uint8_t csr[VTD_REG_WINDOW_MAX];        /* values */
    uint8_t wmask[VTD_REG_WINDOW_MAX];      /* bits software can change */
    uint8_t w1cmask[VTD_REG_WINDOW_MAX];    /* write 1 to clear */
    uint8_t womask[VTD_REG_WINDOW_MAX];     /* write only: read as 0 */
    const struct VTDRegAction *reg_actions; /* what writes do */
    uint32_t reg_acts[VTD_REG_WINDOW_MAX / 8 + 1];   /* where: a bit each */
    uint16_t next_frcd_reg;         /* fault recording register to be used */
    dma_addr_t root;                /* root table in use (SRTP) */
    uint8_t root_ttm;               /* and its RTADDR.TTM */
    /*
     * Domain-ids that translations were tagged with together with a PASID:
     * a bitmap, of scalable mode only.  Atomic.
     */
    unsigned long *pasid_dids;

    bool dmar_enabled;              /* GCMD.TE took effect */

    /* Invalidation queue */
    VIOMMUQueue queue;
    bool qi_enabled;
    dma_addr_t iq;                  /* address in use (QIE) */
    uint16_t iq_size;               /* in descriptors */
    bool iq_dw;                     /* 256-bit ones */
    uint16_t iq_head;
    uint16_t iq_tail;
    uint8_t iq_last_desc_type;      /* of the last descriptor taken up */
    VTDPendingWait wait;            /* of the descriptor at iq_head */

    /* Interrupt remapping */
    bool intr_enabled;
    dma_addr_t intr_root;           /* table in use (SIRTP) */
    uint32_t intr_size;             /* in entries */
    bool intr_eime;
    VIOMMUEndpoint *ioapic;         /* the I/O APIC as an endpoint */
    bool ioapic_sid_said;           /* that it is another one's; atomic */

    /* What waits for the drain before it may be reported */
    VIOMMUBusy te_busy;             /* GSTS.TES */
    VIOMMUBusy srtp_busy;           /* GSTS.RTPS */
    VIOMMUBusy ire_busy;            /* GSTS.IRES */
    VIOMMUBusy sirtp_busy;          /* GSTS.IRTPS */
    VIOMMUBusy ccmd_busy;           /* CCMD.ICC */
    VIOMMUBusy iotlb_busy;          /* IOTLB_REG.IVT */
    uint64_t ccmd_done;             /* CAIG to report with it */
    uint64_t iotlb_done;            /* IAIG to report with it */

    QEMUBH *event_bh;               /* sends fault events for iothreads */

    VMChangeStateEntry *vmstate;
    GHashTable *host_devices;       /* (bus, devfn) -> HostIOMMUDevice */

    /* Only while a migration stream is written or read */
    uint8_t csr_stream[DMAR_REG_SIZE];
    bool latched_in_stream;         /* root_ttm and iq_dw were in it */
};

#endif
