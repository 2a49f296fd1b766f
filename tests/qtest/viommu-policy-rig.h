/*
 * Any vIOMMU, its "virtio" switch, and virtio devices of every kind behind it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether a device is translated is not asked but seen: the vIOMMU is told to
 * let nothing through, and a ring that no device can read without objecting is
 * put at a guest-physical address.
 */
#ifndef VIOMMU_POLICY_RIG_H
#define VIOMMU_POLICY_RIG_H

#include "libqos/generic-pcihost.h"
#include "libqos/virtio-pci.h"
#include "viommu-vtd.h"

typedef enum PolicyModel {
    POLICY_VTD,
    POLICY_SMMUV3,
    POLICY_VIRTIO_IOMMU,
    POLICY_NONE,             /* a machine without vIOMMU */
    POLICY_AMD,
} PolicyModel;

/* One kind of virtio device */
typedef struct PolicyKind {
    const char *name;
    const char *driver;
    const char *backend;     /* arguments before it, or "" */
    const char *props;       /* ",..." or "" */
    const char *json;        /* the same for device_add: ",'...'" or "" */
    unsigned queue;          /* one that the device looks at when notified */
    bool cold_only;
} PolicyKind;

#define POLICY_KINDS 9
extern const PolicyKind policy_kinds[POLICY_KINDS];

typedef struct PolicyRig {
    PolicyModel model;
    QTestState *qts;
    QPCIBus *bus;
    QGenericPCIBus generic;  /* what bus is, on Arm */
    VTD *vtd;                /* POLICY_VTD only */
    QVirtioPCIDevice *unit;  /* POLICY_VIRTIO_IOMMU only */
    uint64_t table;          /* POLICY_AMD only */
    uint64_t next;           /* first guest memory nobody has taken */
    uint8_t next_bus;
    char *log;               /* file with what QEMU says */
    char *bios;              /* file that stands for firmware; or NULL */
} PolicyRig;

/*
 * policy_firmware: does a machine of Arm have firmware, which gives the guest
 * ACPI tables?  If not, the guest gets a device tree.
 */
extern bool policy_firmware;

/* policy_models: the models that the emulator under test has. */
#define POLICY_MODELS 3
unsigned policy_models(PolicyModel models[POLICY_MODELS]);
const char *policy_model_name(PolicyModel model);
/*
 * policy_tells: do its firmware tables leave out who bypasses?  IVRS lists all,
 * so nobody's slot is one that bypasses.
 */
bool policy_tells(PolicyModel model);

/*
 * policy_args: the machine and its vIOMMU; @before goes before the vIOMMU, so
 * does @after after it; with a comma first, it begins with more properties of
 * the vIOMMU's.  @policy NULL: the switch is not mentioned.
 */
char *policy_args(PolicyModel model, const char *policy, const char *before,
                  const char *after);
PolicyRig *policy_start(PolicyModel model, const char *policy,
                        const char *before, const char *after);
void policy_stop(PolicyRig *rig);
/* policy_refused: QEMU does not start; what it says instead. */
char *policy_refused(PolicyModel model, const char *policy,
                     const char *before, const char *after);
/* policy_log: what QEMU has said so far. */
char *policy_log(PolicyRig *rig);
/* policy_count: how often @word occurs in @text. */
unsigned policy_count(const char *text, const char *word);

uint64_t policy_alloc(PolicyRig *rig, unsigned pages);

/*
 * policy_tables: read the ACPI tables as firmware does, *@size bytes, one after
 * another.  policy_boot: for what it does to QEMU: the guest has been told.
 * policy_file: the same of another file of fw_cfg.
 */
uint8_t *policy_tables(PolicyRig *rig, size_t *size);
uint8_t *policy_file(PolicyRig *rig, const char *name, size_t *size);
void policy_boot(PolicyRig *rig);

/* policy_port: the argument for root port @i and the slot it is in. */
char *policy_port(unsigned i);
#define POLICY_PORT_DEVFN(i) (((i) + 3) << 3)
/* policy_open: number the bus behind the bridge, and let cycles through. */
QPCIDevice *policy_open(PolicyRig *rig, int bdf, uint8_t *number);

/* policy_block: nothing that is translated gets through, or all of it. */
void policy_block(PolicyRig *rig, bool block);

/* Driving a virtio device as far as a test wants. */
QVirtioPCIDevice *policy_device(PolicyRig *rig, int bdf);
void policy_device_free(QVirtioPCIDevice *dev);
uint64_t policy_offered(QVirtioPCIDevice *dev);
bool policy_offers(QVirtioPCIDevice *dev);
void policy_set_features(QVirtioPCIDevice *dev, uint64_t features);
/* policy_accept: write @features, then FEATURES_OK; was that granted? */
bool policy_accept(QVirtioPCIDevice *dev, uint64_t features);
/* policy_begin: reset, ACKNOWLEDGE, DRIVER. */
void policy_begin(QVirtioPCIDevice *dev);
/* policy_ring: the ring at @addr, one page, for @queue; enabled. */
void policy_ring(QVirtioPCIDevice *dev, unsigned queue, uint64_t addr);
/* policy_poison: a ring that a device objects to as soon as it reads it. */
void policy_poison(PolicyRig *rig, uint64_t gpa);
void policy_kick(QVirtioPCIDevice *dev, unsigned queue);
/* policy_objects: has it, after the main loop had time enough? */
bool policy_objects(PolicyRig *rig, QVirtioPCIDevice *dev);
/* policy_objects_all: the same of @n devices at once; a NULL does not. */
void policy_objects_all(QVirtioPCIDevice *const *dev, unsigned n,
                        bool *objects);

/* policy_reads: negotiate all, kick; does it read guest-physical memory? */
bool policy_reads(PolicyRig *rig, QVirtioPCIDevice *dev, unsigned queue);
/*
 * policy_reads_all: the same of @n devices at once; a NULL does not.  @queue:
 * of each, or NULL: 0.
 */
void policy_reads_all(PolicyRig *rig, QVirtioPCIDevice *const *dev,
                      const unsigned *queue, unsigned n, bool *reads);
/*
 * policy_signals: the same; and did the message with which it says that it
 * objects arrive at a guest-physical address?  MSI-X must be enabled.
 */
bool policy_signals(PolicyRig *rig, QVirtioPCIDevice *dev, unsigned queue);

#endif
