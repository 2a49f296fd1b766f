/*
 * A machine with a vIOMMU, whichever: what the tests of all models share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing here measures time.  What completes in the main loop or an iothread
 * is polled for with viommu_until(), bounded by a number of tries.
 */
#ifndef VIOMMU_UNIT_H
#define VIOMMU_UNIT_H

#include "libqtest.h"
#include "libqos/pci.h"

#define UNIT_PAGE       0x1000ULL
#define UNIT_LARGE      0x200000ULL

typedef struct Unit Unit;
/* One set of tables, and what the model names it by (domain, ASID, ...) */
typedef struct UnitSpace UnitSpace;

typedef enum UnitScope {
    UNIT_ALL,                /* every translation of the unit */
    UNIT_SPACE,              /* those of one space */
    UNIT_RANGE,              /* those of some pages of it */
} UnitScope;

#define UNIT_R  (1u << 0)
#define UNIT_W  (1u << 1)
#define UNIT_RW (UNIT_R | UNIT_W)

/*
 * What a model-neutral test does with a unit.  A form is one of the ways in
 * which software of that model has something invalidated and learns that it
 * is complete; a machine is set up for one of them.
 */
typedef struct UnitOps {
    const char *name;        /* for VIOMMU_UNIT */
    const char *target;      /* whose emulator has it */
    const char *type;        /* of the device, for its properties */
    const char *const *forms;    /* their names; NULL ends them; "": none */
    unsigned queue_form;     /* the form that the model's driver prefers */
    /* Forms (bits) that cannot say how large what they invalidate is */
    unsigned coarse_forms;
    unsigned write_only_form;    /* one with pages that are only written */
    /*
     * It has no tables, but is asked.  A page is changed by taking it away
     * first: who uses it meanwhile sees that, and the drain waits although it
     * leads where it led.  Nothing is attached that is not there.
     */
    bool by_request;
    /*
     * The drain cannot look whether a page still leads where it led: it waits
     * for all that an invalidation is about.
     */
    bool vague;
    bool shares_memory;      /* the machine's, with other processes, as it is */
    bool stock_stream;       /* stock QEMU has it, with the same stream */
    uint64_t regs;           /* where its registers are in memory, and */
    unsigned regs_size;      /* how large that is; 0: they are not */
    uint64_t ram;            /* where the machine's memory begins */
    /*
     * start: the machine for @form, with properties @props ("" for none) of
     * the unit, more arguments @args; translation is off.
     */
    Unit *(*start)(unsigned form, const char *props, const char *args);
    /* args: the command line of the same machine, for a second instance. */
    char *(*args)(unsigned form, const char *props);
    /* adopt: the same machine state in another process (migration). */
    Unit *(*adopt)(const Unit *from, QTestState *qts);
    void (*stop)(Unit *unit);
    /* reset: system_reset; the tables in memory stay. */
    void (*reset)(Unit *unit);
    /* assert_reset: the registers that an invalidation touches are cleared. */
    void (*assert_reset)(Unit *unit);
    /* assert_cancelled: what inv_start started has not been signalled. */
    void (*assert_cancelled)(Unit *unit, unsigned form);

    UnitSpace *(*space)(Unit *unit, unsigned form, uint16_t id);
    /* attach: in the tables; nothing is invalidated. */
    void (*attach)(Unit *unit, uint16_t sid, UnitSpace *space);
    /* map: @size is UNIT_PAGE or UNIT_LARGE; @perms 0: no more. */
    void (*map)(Unit *unit, UnitSpace *space, uint64_t iova, uint64_t gpa,
                uint64_t size, unsigned perms);
    /* pte: where the entry of the page @iova is, which has been mapped. */
    uint64_t (*pte)(Unit *unit, UnitSpace *space, uint64_t iova);
    /* enable: translation is on, and everything set up for @form. */
    void (*enable)(Unit *unit, unsigned form);
    /* enable_start, enabled: the same without waiting, for form 0. */
    void (*enable_start)(Unit *unit);
    bool (*enabled)(Unit *unit);

    /* inv_start: of UNIT_RANGE, 2^@order pages at @iova. */
    void (*inv_start)(Unit *unit, unsigned form, UnitScope scope,
                      const UnitSpace *space, uint64_t iova, unsigned order);
    /* reattach: after detach_start, and see it through. */
    void (*reattach)(Unit *unit, unsigned form, uint16_t sid,
                     UnitSpace *space);
    /* detach_start: @sid's entry is cleared, and all that follows from it. */
    void (*detach_start)(Unit *unit, unsigned form, uint16_t sid,
                         const UnitSpace *space);
    bool (*inv_done)(Unit *unit, unsigned form);

    /*
     * pasid_space: NULL, or a space of what has @pasid, of the form @pasid_form
     * and a unit with @pasid_props.  One device has one.
     */
    unsigned pasid_form;
    const char *pasid_props;
    UnitSpace *(*pasid_space)(Unit *unit, uint16_t id, uint32_t pasid);
    /*
     * attach_ats: NULL, or as attach, and @sid may ask for translations, which
     * inv_start does not take from it; form queue_form, @ats_props.
     * ats_inv_start: all that @sid keeps; inv_done is about this, too.
     */
    const char *ats_props;
    void (*attach_ats)(Unit *unit, uint16_t sid, UnitSpace *space);
    void (*ats_inv_start)(Unit *unit, uint16_t sid);

    void (*assert_no_fault)(Unit *unit);
    /* assert_fault: just this one, at the page of @iova; it is taken. */
    void (*assert_fault)(Unit *unit, uint16_t sid, bool is_read,
                         uint64_t iova);
    /* drop_faults: whatever was recorded, if so; all of it was of @sid. */
    bool (*drop_faults)(Unit *unit, uint16_t sid);
} UnitOps;

/* The first members of what a model's tests use */
#define UNIT_FIELDS                                                     \
    const UnitOps *ops;                                                 \
    QTestState *qts;                                                    \
    QPCIBus *bus;                                                       \
    uint64_t next            /* first guest memory nobody has taken */

struct Unit {
    UNIT_FIELDS;
};

extern const UnitOps vtd_unit_ops, vtd_sm_unit_ops, smmu_unit_ops,
                     virtio_unit_ops, virtio_arm_unit_ops,
                     virtio_mmio_unit_ops, amd_unit_ops, remote_unit_ops,
                     vtd_remote_unit_ops, vtd_sm_remote_unit_ops,
                     smmu_remote_unit_ops;

/*
 * unit_ops: those of the unit that the environment variable VIOMMU_UNIT names;
 * if there is none, of the first one that the emulator under test has.
 */
const UnitOps *unit_ops(void);

/*
 * unit_launch: the emulator with @machine and @args, for a start function;
 * unit_quit: its end.  After unit_use() they are @qts instead, which has been
 * started with them and stays, freshly reset.  @turn: what gives its main loop
 * a turn, if it is in this process (fuzzing); NULL: its answers do.
 */
QTestState *unit_launch(const char *machine, const char *args);
void unit_quit(QTestState *qts);
void unit_use(QTestState *qts, void (*turn)(QTestState *qts));
bool unit_is_used(void);

/* Zeroed guest memory of @pages pages, or of @size on a boundary of @size */
uint64_t unit_alloc(Unit *unit, unsigned pages);
uint64_t unit_alloc_aligned(Unit *unit, uint64_t size);

void unit_unmap(Unit *unit, UnitSpace *space, uint64_t iova);
void unit_inv_wait(Unit *unit, unsigned form);
void unit_inv(Unit *unit, unsigned form, UnitScope scope,
              const UnitSpace *space, uint64_t iova, unsigned order);

/*
 * unit_open_bridge: number the bus behind the bridge at @devfn of bus 0, and
 * let memory cycles through to what is mapped next.
 */
QPCIDevice *unit_open_bridge(Unit *unit, int devfn, uint8_t bus);

/*
 * viommu_until: evaluate @cond until it is true, with a main loop turn of
 * QEMU in between; fails the test after a fixed number of tries, a minute
 * at least: what hangs has to end, and no host is to be too slow.  @unit, here
 * and below: a Unit or what begins with UNIT_FIELDS.
 */
#define VIOMMU_TRIES 120000
#define viommu_until(unit, cond) do {                                   \
        int tries_ = 0;                                                 \
        while (!(cond)) {                                               \
            g_assert_cmpint(tries_++, <, VIOMMU_TRIES);                 \
            unit_pause((unit)->qts);                                    \
        }                                                               \
    } while (0)

/*
 * viommu_turns: let QEMU's main loop run for a while, to see that something
 * does not happen.  Its threads, and a server, need not have run.
 */
#define viommu_turns(unit) unit_turns((unit)->qts)
void unit_turn(QTestState *qts);
/* unit_pause: a turn, and time for other threads. */
void unit_pause(QTestState *qts);
void unit_turns(QTestState *qts);

/*
 * unit_save: the machine's state to a file, whose name is returned.  unit_load:
 * into a machine that was started with -incoming defer; the file goes.
 */
char *unit_save(QTestState *qts);
void unit_load(QTestState *qts, char *file);

/*
 * What an emulator says on stderr: all that are started between unit_log_new()
 * and unit_log_rest() write to the log.  unit_log_count: how many times @text
 * is in it.
 */
typedef struct UnitLog UnitLog;
UnitLog *unit_log_new(void);
void unit_log_rest(UnitLog *log);
unsigned unit_log_count(const UnitLog *log, const char *text);
void unit_log_free(UnitLog *log);

/* unit_refused: an emulator with @args does not start; what it says instead. */
char *unit_refused(const char *args);

/* Fill, and check, guest memory with a byte pattern. */
#define viommu_fill(unit, gpa, byte, len) \
    qtest_memset((unit)->qts, gpa, byte, len)
#define viommu_is_filled(unit, gpa, byte, len) \
    unit_is_filled((unit)->qts, gpa, byte, len)
bool unit_is_filled(QTestState *qts, uint64_t gpa, uint8_t byte, size_t len);

/* viommu_has_property: does the device type have it? */
#define viommu_has_property(unit, type, name) \
    unit_has_property((unit)->qts, type, name)
bool unit_has_property(QTestState *qts, const char *type, const char *name);
/* As above with a QEMU started for the question. */
bool viommu_offers(const char *type, const char *name);

/*
 * viommu_irq_arrived: is @vector requested at the local APIC @apic_id?  No CPU
 * runs, so it stays requested until reset: a vector serves one test step.
 */
#define viommu_irq_arrived(unit, apic_id, vector) \
    unit_irq_arrived((unit)->qts, apic_id, vector)
bool unit_irq_arrived(QTestState *qts, int apic_id, uint8_t vector);
/* An MSI address for CPU 0, not remapped */
#define VIOMMU_MSI_ADDR 0xfee00000ULL

/*
 * unit_assert_help: each property of @type, of which there are @at_least so
 * many, says what it is about, and not only of which type it is; a number says
 * its unit, and everything its default.
 */
void unit_assert_help(const char *type, unsigned at_least);

#endif
