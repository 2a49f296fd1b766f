/*
 * x-sva-test: a PCI Express endpoint with PASIDs, ATS and page requests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Registers and commands: x-sva-test.h.  How it uses the library is the example
 * of docs/devel/viommu-endpoint.rst.
 *
 * A command is a state machine that runs in a bottom half, one piece at a
 * time, so that a long one keeps nobody waiting.  A step is done again from its
 * beginning when a page that it wants has been answered for.  Everything here
 * runs under the BQL, in the main loop.
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "hw/pci/msi.h"
#include "hw/pci/pci-atc.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pcie.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "system/dma.h"
#include "system/runstate.h"
#include "x-sva-test.h"

OBJECT_DECLARE_SIMPLE_TYPE(XSVATest, X_SVA_TEST)

#define SVT_EXP_CAP     0x80
#define SVT_ATS_CAP     0x100
#define SVT_PASID_CAP   0x120
#define SVT_PRI_CAP     0x140

/* Bytes of a step, and steps of one bottom half */
#define SVT_PIECE       0x1000
#define SVT_STEPS       64

typedef struct SVTContext {
    XSVATest *dev;
    unsigned index;
    /* Registers */
    uint32_t status, flags, pasid, pages;
    uint64_t src, dst, len, arg, done, last, fault;
    uint32_t command;
    bool stops;              /* when the page that it waits for is answered */
    /* Not migrated: the step is begun anew */
    uint32_t tries;          /* pages asked for in this step */
    bool waits;              /* for a page, or a group of them */
    uint32_t group;          /* then: how many */
    bool released;           /* SVT_F_HOLD has been served */
    PCIATCUse use;           /* while SVT_S_HELD */
    bool in_use;
} SVTContext;

struct XSVATest {
    PCIDevice pci;
    MemoryRegion mmio;
    PCIATC *atc;
    QEMUBH *bh;
    VMChangeStateEntry *vm_state;
    IOMMUPRINotifier pri_notifier;
    SVTContext contexts[SVT_CONTEXTS];
    /* Properties */
    uint32_t atc_entries, page_requests;
    uint8_t pasid_bits;
    bool exec, priv, prg_pasid;
};

/* How a step ended */
typedef enum SVTStep {
    SVT_GO_ON,               /* with the next one */
    SVT_END,                 /* the command is done, or status says why not */
    SVT_WAIT,                /* for a page, or for SVT_C_RELEASE */
} SVTStep;

static uint32_t svt_pasid(const SVTContext *c)
{
    return c->flags & SVT_F_PASID ? c->pasid : PCI_NO_PASID;
}

static unsigned svt_atc_flags(const SVTContext *c)
{
    return (c->flags & SVT_F_EXEC ? PCI_ATC_EXEC : 0) |
           (c->flags & SVT_F_PRIV ? PCI_ATC_PRIV : 0);
}

static bool svt_is_running(const SVTContext *c)
{
    return c->status == SVT_S_BUSY || c->status == SVT_S_HELD;
}

/* Page requests */

/* The last context that waits for @pasid's pages lets go of the notifier. */
static void svt_unregister(XSVATest *s, uint32_t pasid)
{
    unsigned i;

    for (i = 0; i < SVT_CONTEXTS; i++) {
        if (s->contexts[i].waits && svt_pasid(&s->contexts[i]) == pasid) {
            return;
        }
    }
    pci_pri_unregister_notifier(&s->pci, pasid);
}

static void svt_stop_waiting(SVTContext *c)
{
    if (c->waits) {
        c->waits = false;
        svt_unregister(c->dev, svt_pasid(c));
    }
}

static SVTStep svt_fail(SVTContext *c, uint32_t status, uint64_t addr)
{
    c->status = status;
    c->fault = addr;
    return SVT_END;
}

static int svt_request(SVTContext *c, uint64_t addr, bool is_write, bool last)
{
    return pci_pri_request_page(&c->dev->pci, svt_pasid(c),
                                c->flags & SVT_F_PRIV,
                                !is_write && (c->flags & SVT_F_EXEC), addr,
                                last, c->index, !is_write, is_write);
}

/* @count pages from @addr on, in one group */
static SVTStep svt_ask(SVTContext *c, uint64_t addr, uint64_t count,
                       bool is_write)
{
    XSVATest *s = c->dev;
    uint64_t i;
    int ret;

    if (!(c->flags & SVT_F_PAGES) || c->tries >= SVT_MAX_TRIES) {
        return svt_fail(c, SVT_S_FAULT, addr);
    }
    ret = pci_pri_register_notifier(&s->pci, svt_pasid(c), &s->pri_notifier);
    c->waits = !ret;
    for (i = 0; i < count && !ret; i++) {
        ret = svt_request(c, addr + i * SVT_PIECE, is_write, i + 1 == count);
    }
    if (ret) {
        svt_stop_waiting(c);
        return svt_fail(c, ret == -EPERM ? SVT_S_DENIED : SVT_S_ERROR, addr);
    }
    c->tries++;
    c->group = count;
    c->pages += count;
    c->fault = addr;
    return SVT_WAIT;
}

/* Accesses */

/* What pci_atc_begin() said, other than 0 */
static SVTStep svt_refused(SVTContext *c, int ret, uint64_t addr, bool is_write)
{
    switch (ret) {
    case -EACCES:
        return svt_ask(c, addr, 1, is_write);
    case -EPERM:
    case -ENODEV:
    case -EINVAL:
        return svt_fail(c, SVT_S_DENIED, addr);
    default:
        return svt_fail(c, SVT_S_ERROR, addr);
    }
}

/* DMA of one piece at @addr, for requests with @attrs */
static bool svt_dma(SVTContext *c, uint64_t addr, MemTxAttrs attrs, void *buf,
                    uint64_t len, bool is_write)
{
    AddressSpace *as = pci_get_address_space(&c->dev->pci);
    DMADirection dir = is_write ? DMA_DIRECTION_FROM_DEVICE :
                                  DMA_DIRECTION_TO_DEVICE;
    dma_addr_t mapped = len;
    void *host;

    if (!(c->flags & SVT_F_MAP)) {
        return dma_memory_rw(as, addr, buf, len, dir, attrs) == MEMTX_OK;
    }
    host = dma_memory_map(as, addr, &mapped, dir, attrs);
    if (!host) {
        return false;
    }
    if (mapped == len) {
        memcpy(is_write ? host : buf, is_write ? buf : host, len);
    }
    dma_memory_unmap(as, host, mapped, dir, mapped == len ? len : 0);
    return mapped == len;
}

static SVTStep svt_rw_kept(SVTContext *c, uint64_t addr, void *buf,
                           uint64_t *len, bool is_write, bool hold)
{
    PCIATCUse local;
    PCIATCUse *use = hold ? &c->use : &local;
    bool ok;
    int ret;

    if (!hold || !c->in_use) {
        ret = pci_atc_begin(c->dev->atc, svt_pasid(c), svt_atc_flags(c), addr,
                            *len, is_write, use);
        if (ret) {
            return svt_refused(c, ret, addr, is_write);
        }
        if (hold && (c->flags & SVT_F_HOLD) && !c->released) {
            c->in_use = true;
            c->status = SVT_S_HELD;
            return SVT_WAIT;
        }
    }
    *len = MIN(*len, use->len);
    ok = svt_dma(c, use->addr, use->attrs, buf, *len, is_write);
    if (hold) {
        c->in_use = false;
    }
    pci_atc_end(c->dev->atc, use);
    return ok ? SVT_GO_ON : svt_fail(c, SVT_S_ERROR, addr);
}

/*
 * Read or write at @addr: *@len bytes, or less, but some; never beyond a page.
 * @hold: here SVT_F_HOLD counts.
 */
static SVTStep svt_rw(SVTContext *c, uint64_t addr, void *buf, uint64_t *len,
                      bool is_write, bool hold)
{
    MemTxAttrs attrs;

    *len = MIN(*len, SVT_PIECE - (addr & (SVT_PIECE - 1)));
    if (c->flags & SVT_F_ATC) {
        return svt_rw_kept(c, addr, buf, len, is_write, hold);
    }
    attrs = pci_atc_attrs(svt_pasid(c), svt_atc_flags(c));
    return svt_dma(c, addr, attrs, buf, *len, is_write) ? SVT_GO_ON :
           svt_fail(c, SVT_S_ERROR, addr);
}

/* Commands: one step each */

static SVTStep svt_copy(SVTContext *c, uint64_t left)
{
    uint8_t buf[SVT_PIECE];
    uint64_t len = left;
    SVTStep step = svt_rw(c, c->src + c->done, buf, &len, false, false);

    if (step == SVT_GO_ON) {
        step = svt_rw(c, c->dst + c->done, buf, &len, true, true);
    }
    if (step == SVT_GO_ON) {
        c->done += len;
    }
    return step;
}

static SVTStep svt_compare(SVTContext *c, uint64_t left)
{
    uint8_t a[SVT_PIECE], b[SVT_PIECE];
    uint64_t len = left, i;
    SVTStep step = svt_rw(c, c->src + c->done, a, &len, false, false);

    if (step == SVT_GO_ON) {
        step = svt_rw(c, c->dst + c->done, b, &len, false, true);
    }
    if (step != SVT_GO_ON) {
        return step;
    }
    for (i = 0; i < len && a[i] == b[i]; i++) {
        /* the same */
    }
    c->done += i;
    if (i < len) {
        c->status = SVT_S_OK;
        return SVT_END;
    }
    return SVT_GO_ON;
}

static SVTStep svt_fill(SVTContext *c, uint64_t left)
{
    uint8_t buf[SVT_PIECE];
    uint64_t len = left;
    SVTStep step;

    memset(buf, c->arg, sizeof(buf));
    step = svt_rw(c, c->dst + c->done, buf, &len, true, true);
    if (step == SVT_GO_ON) {
        c->done += len;
    }
    return step;
}

static SVTStep svt_chase(SVTContext *c, uint64_t left)
{
    uint64_t at = c->done ? c->last + c->arg : c->src;
    uint64_t next, len = sizeof(next);
    SVTStep step = svt_rw(c, at, &next, &len, false, true);

    if (step != SVT_GO_ON) {
        return step;
    }
    if (len < sizeof(next)) {
        /* A pointer is aligned. */
        return svt_fail(c, SVT_S_COMMAND, at);
    }
    c->done++;
    c->last = le64_to_cpu(next);
    if (!c->last) {
        c->status = SVT_S_OK;
        return SVT_END;
    }
    return SVT_GO_ON;
}

/* A group that is begun has to be ended: it must fit into what may be asked. */
static bool svt_has_room(XSVATest *s, uint64_t count)
{
    uint32_t max = MIN(pcie_pri_get_req_alloc(&s->pci), s->page_requests);
    unsigned i;

    for (i = 0; i < SVT_CONTEXTS; i++) {
        count += s->contexts[i].waits ? s->contexts[i].group : 0;
    }
    return count <= max;
}

/* Whether the pages are there then is for the next command to find. */
static SVTStep svt_ask_all(SVTContext *c, uint64_t left)
{
    if (c->tries) {
        c->done += left;
        return SVT_GO_ON;
    }
    if (!svt_has_room(c->dev, left)) {
        return svt_fail(c, SVT_S_COMMAND, c->dst);
    }
    return svt_ask(c, c->dst, left, c->arg);
}

static SVTStep svt_step(SVTContext *c)
{
    static SVTStep (*const commands[])(SVTContext *c, uint64_t left) = {
        [SVT_C_COPY] = svt_copy,
        [SVT_C_COMPARE] = svt_compare,
        [SVT_C_FILL] = svt_fill,
        [SVT_C_CHASE] = svt_chase,
        [SVT_C_ASK] = svt_ask_all,
    };

    if (c->done >= c->len) {
        c->status = SVT_S_OK;
        return SVT_END;
    }
    return commands[c->command](c, c->len - c->done);
}

/* Running them */

static void svt_end(SVTContext *c)
{
    PCIDevice *pci = &c->dev->pci;

    if (c->in_use) {
        c->in_use = false;
        pci_atc_end(c->dev->atc, &c->use);
    }
    svt_stop_waiting(c);
    if ((c->flags & SVT_F_IRQ) && msi_enabled(pci)) {
        msi_notify(pci, 0);
    }
}

/* Returns: true if it wants to go on. */
static bool svt_run(SVTContext *c)
{
    unsigned i;

    if (c->stops) {
        c->status = SVT_S_STOPPED;
        svt_end(c);
        return false;
    }
    for (i = 0; i < SVT_STEPS; i++) {
        switch (svt_step(c)) {
        case SVT_GO_ON:
            c->tries = 0;
            break;
        case SVT_END:
            svt_end(c);
            return false;
        case SVT_WAIT:
            return false;
        }
    }
    return true;
}

static void svt_bh(void *opaque)
{
    XSVATest *s = opaque;
    bool more = false;
    unsigned i;

    /* A stopped machine's memory does not change. */
    for (i = 0; i < SVT_CONTEXTS && runstate_is_running(); i++) {
        SVTContext *c = &s->contexts[i];

        if (c->status == SVT_S_BUSY && !c->waits) {
            more |= svt_run(c);
        }
    }
    if (more) {
        qemu_bh_schedule(s->bh);
    }
}

static void svt_answered(IOMMUPRINotifier *n, IOMMUPRIResponse *response)
{
    XSVATest *s = container_of(n, XSVATest, pri_notifier);
    SVTContext *c = &s->contexts[response->prgi % SVT_CONTEXTS];

    if (!c->waits) {
        return;
    }
    svt_stop_waiting(c);
    if (response->response_code != IOMMU_PRI_RESP_SUCCESS && !c->stops) {
        c->status = SVT_S_FAULT;
        svt_end(c);
        return;
    }
    qemu_bh_schedule(s->bh);
}

static void svt_start(SVTContext *c, uint32_t command)
{
    c->command = command;
    c->pages = c->tries = 0;
    c->done = c->last = c->fault = 0;
    c->released = c->stops = false;
    if (command < SVT_C_COPY || command > SVT_C_LAST || c->len > SVT_MAX_LEN ||
        c->pasid >> DMA_ATTRS_PASID_BITS) {
        c->status = SVT_S_COMMAND;
        return;
    }
    c->status = SVT_S_BUSY;
    qemu_bh_schedule(c->dev->bh);
}

static void svt_stop(SVTContext *c)
{
    if (svt_is_running(c)) {
        c->status = SVT_S_STOPPED;
        svt_end(c);
    }
}

static void svt_command_written(SVTContext *c, uint32_t command)
{
    XSVATest *s = c->dev;

    if (command == SVT_C_STOP && c->waits) {
        c->stops = true;
    } else if (command == SVT_C_STOP) {
        svt_stop(c);
    } else if (command == SVT_C_RELEASE) {
        if (c->status == SVT_S_HELD) {
            c->released = true;
            c->status = SVT_S_BUSY;
            qemu_bh_schedule(s->bh);
        }
    } else if (svt_is_running(c)) {
        return;
    } else if (command == SVT_C_MARKER) {
        c->status = pci_pri_request_page(&s->pci, svt_pasid(c), false, false,
                                         0, true, 0, false, false) ?
                    SVT_S_DENIED : SVT_S_OK;
    } else {
        svt_start(c, command);
    }
}

/* Registers */

static uint32_t *svt_reg32(SVTContext *c, hwaddr reg)
{
    switch (reg) {
    case SVT_FLAGS:
        return &c->flags;
    case SVT_PASID:
        return &c->pasid;
    default:
        return NULL;
    }
}

static uint64_t *svt_reg64(SVTContext *c, hwaddr reg)
{
    switch (reg) {
    case SVT_SRC:
        return &c->src;
    case SVT_DST:
        return &c->dst;
    case SVT_LEN:
        return &c->len;
    case SVT_ARG:
        return &c->arg;
    default:
        return NULL;
    }
}

static uint64_t svt_read_only(SVTContext *c, hwaddr reg)
{
    switch (reg) {
    case SVT_MAGIC:
        return SVT_MAGIC_VALUE;
    case SVT_STATUS:
        return c->status;
    case SVT_PAGES:
        return c->pages;
    case SVT_DONE:
        return c->done;
    case SVT_LAST:
        return c->last;
    case SVT_FAULT:
        return c->fault;
    case SVT_KEPT:
        return pci_atc_count(c->dev->atc);
    default:
        return 0;
    }
}

static uint64_t svt_mmio_read(void *opaque, hwaddr offset, unsigned size)
{
    XSVATest *s = opaque;
    SVTContext *c = &s->contexts[offset / SVT_CONTEXT_SIZE];
    hwaddr reg = offset % SVT_CONTEXT_SIZE;
    uint32_t *reg32 = svt_reg32(c, reg);
    uint64_t *reg64 = svt_reg64(c, reg & ~7ULL);
    uint64_t value;

    if (reg32) {
        return *reg32;
    }
    if (reg64) {
        value = *reg64;
    } else if (reg >= SVT_DONE && reg < SVT_KEPT) {
        value = svt_read_only(c, reg & ~7ULL);
    } else {
        return svt_read_only(c, reg);
    }
    return extract64(value, (reg & 7) * 8, size * 8);
}

static void svt_mmio_write(void *opaque, hwaddr offset, uint64_t value,
                           unsigned size)
{
    XSVATest *s = opaque;
    SVTContext *c = &s->contexts[offset / SVT_CONTEXT_SIZE];
    hwaddr reg = offset % SVT_CONTEXT_SIZE;
    uint32_t *reg32 = svt_reg32(c, reg);
    uint64_t *reg64 = svt_reg64(c, reg & ~7ULL);

    if (reg == SVT_CMD) {
        svt_command_written(c, value);
    } else if (svt_is_running(c)) {
        return;
    } else if (reg32) {
        *reg32 = value;
    } else if (reg64) {
        *reg64 = deposit64(*reg64, (reg & 7) * 8, size * 8, value);
    }
}

static const MemoryRegionOps svt_mmio_ops = {
    .read = svt_mmio_read,
    .write = svt_mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

/* The device */

static void svt_vm_changed(void *opaque, bool running, RunState state)
{
    XSVATest *s = opaque;

    if (running) {
        qemu_bh_schedule(s->bh);
    }
}

static void svt_init_contexts(XSVATest *s)
{
    unsigned i;

    for (i = 0; i < SVT_CONTEXTS; i++) {
        s->contexts[i] = (SVTContext) { .dev = s, .index = i };
    }
}

static void svt_realize(PCIDevice *pci, Error **errp)
{
    XSVATest *s = X_SVA_TEST(pci);

    if (s->pasid_bits > PCI_EXT_CAP_PASID_MAX_WIDTH) {
        error_setg(errp, TYPE_X_SVA_TEST ": pasid-bits is %u, but must be at "
                   "most %u", s->pasid_bits, PCI_EXT_CAP_PASID_MAX_WIDTH);
        return;
    }
    if (!pci_bus_is_express(pci_get_bus(pci))) {
        error_setg(errp, TYPE_X_SVA_TEST ": the bus has to be PCI Express");
        return;
    }
    if (pcie_endpoint_cap_init(pci, SVT_EXP_CAP) < 0 ||
        msi_init(pci, 0, 1, true, false, errp) < 0) {
        return;
    }
    pcie_cap_flr_init(pci);
    pcie_ats_init(pci, SVT_ATS_CAP, true);
    if (s->pasid_bits) {
        pcie_pasid_init(pci, SVT_PASID_CAP, s->pasid_bits, s->exec, s->priv);
    }
    if (s->page_requests) {
        pcie_pri_init(pci, SVT_PRI_CAP, s->page_requests, s->prg_pasid);
    }
    svt_init_contexts(s);
    s->atc = pci_atc_new(pci, s->atc_entries);
    s->bh = qemu_bh_new(svt_bh, s);
    s->pri_notifier.notify = svt_answered;
    s->vm_state = qemu_add_vm_change_state_handler(svt_vm_changed, s);
    memory_region_init_io(&s->mmio, OBJECT(s), &svt_mmio_ops, s,
                          TYPE_X_SVA_TEST, SVT_SIZE);
    pci_register_bar(pci, 0, PCI_BASE_ADDRESS_SPACE_MEMORY, &s->mmio);
}

static void svt_exit(PCIDevice *pci)
{
    XSVATest *s = X_SVA_TEST(pci);
    unsigned i;

    for (i = 0; i < SVT_CONTEXTS; i++) {
        svt_stop(&s->contexts[i]);
    }
    qemu_del_vm_change_state_handler(s->vm_state);
    qemu_bh_delete(s->bh);
    pci_atc_free(s->atc);
    msi_uninit(pci);
    pcie_cap_exit(pci);
}

static void svt_reset_hold(Object *obj, ResetType type)
{
    XSVATest *s = X_SVA_TEST(obj);
    unsigned i;

    for (i = 0; i < SVT_CONTEXTS; i++) {
        s->contexts[i].flags &= ~SVT_F_IRQ;
        svt_stop(&s->contexts[i]);
    }
    qemu_bh_cancel(s->bh);
    svt_init_contexts(s);
}

static void svt_write_config(PCIDevice *pci, uint32_t addr, uint32_t val,
                             int len)
{
    pci_default_write_config(pci, addr, val, len);
    pcie_cap_flr_write_config(pci, addr, val, len);
}

/* What waited, or was held, begins its step again. */
static int svt_post_load(void *opaque, int version_id)
{
    XSVATest *s = opaque;
    unsigned i;

    for (i = 0; i < SVT_CONTEXTS; i++) {
        SVTContext *c = &s->contexts[i];

        if (svt_is_running(c)) {
            if (c->command < SVT_C_COPY || c->command > SVT_C_LAST) {
                return -EINVAL;
            }
            c->status = SVT_S_BUSY;
        }
    }
    return 0;
}

static const VMStateDescription vmstate_svt_context = {
    .name = TYPE_X_SVA_TEST "/context",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(status, SVTContext),
        VMSTATE_UINT32(flags, SVTContext),
        VMSTATE_UINT32(pasid, SVTContext),
        VMSTATE_UINT32(pages, SVTContext),
        VMSTATE_UINT32(command, SVTContext),
        VMSTATE_UINT64(src, SVTContext),
        VMSTATE_UINT64(dst, SVTContext),
        VMSTATE_UINT64(len, SVTContext),
        VMSTATE_UINT64(arg, SVTContext),
        VMSTATE_UINT64(done, SVTContext),
        VMSTATE_UINT64(last, SVTContext),
        VMSTATE_UINT64(fault, SVTContext),
        VMSTATE_BOOL(stops, SVTContext),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription vmstate_svt = {
    .name = TYPE_X_SVA_TEST,
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = svt_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_PCI_DEVICE(pci, XSVATest),
        VMSTATE_STRUCT_ARRAY(contexts, XSVATest, SVT_CONTEXTS, 1,
                             vmstate_svt_context, SVTContext),
        VMSTATE_END_OF_LIST()
    },
};

static const Property svt_properties[] = {
    DEFINE_PROP_UINT8("pasid-bits", XSVATest, pasid_bits, 20),
    DEFINE_PROP_BOOL("exec", XSVATest, exec, true),
    DEFINE_PROP_BOOL("priv", XSVATest, priv, true),
    DEFINE_PROP_UINT32("page-requests", XSVATest, page_requests, 32),
    DEFINE_PROP_BOOL("prg-response-pasid", XSVATest, prg_pasid, true),
    DEFINE_PROP_UINT32("atc-entries", XSVATest, atc_entries, 64),
};

static void svt_class_init(ObjectClass *klass, void *data)
{
    static const struct {
        const char *name, *text;
    } help[] = {
        { "pasid-bits", "width of a PASID, up to 20 bits; 0: no capability" },
        { "exec", "requests may say Execute Requested" },
        { "priv", "requests may say Privileged Mode Requested" },
        { "page-requests", "how many may be outstanding; 0: no capability" },
        { "prg-response-pasid", "answers to page requests carry the PASID" },
        { "atc-entries", "translations that the device keeps" },
    };
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);
    unsigned i;

    k->realize = svt_realize;
    k->exit = svt_exit;
    k->config_write = svt_write_config;
    k->vendor_id = SVT_VENDOR_ID;
    k->device_id = SVT_DEVICE_ID;
    k->class_id = PCI_CLASS_OTHERS;
    dc->desc = "Shared virtual addressing test";
    dc->vmsd = &vmstate_svt;
    RESETTABLE_CLASS(klass)->phases.hold = svt_reset_hold;
    device_class_set_props(dc, svt_properties);
    for (i = 0; i < ARRAY_SIZE(help); i++) {
        object_class_property_set_description(klass, help[i].name,
                                              help[i].text);
    }
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo svt_info = {
    .name = TYPE_X_SVA_TEST,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(XSVATest),
    .class_init = svt_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_PCIE_DEVICE },
        { },
    },
};

static void svt_register(void)
{
    type_register_static(&svt_info);
}

type_init(svt_register)
