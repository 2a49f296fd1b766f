/*
 * viommu-remote: the model on the core
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a local model reads in guest memory, this one asks the server; the core
 * does the rest.  The race that is so old as remote units is closed as it is
 * for tables: an answer may be used by the access that asked for it, for which
 * the drain waits; it is cached only if nothing was invalidated since it was
 * asked for.
 *
 * Any thread may have to wait here, in an RCU read section: so long are the
 * grace periods of the whole emulator, at most remote_link_new()'s timeout.  A
 * monitor's question waits briefly, and its answer may be that there is none.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-query.h"
#include "remote-internal.h"

/* While so many bytes wait to be written, faults are counted and not told. */
#define FAULT_BACKLOG (1u << 18)

static VIOMMURemote *remote_of(VIOMMU *v)
{
    return container_of(v, VIOMMURemote, viommu);
}

static uint64_t remote_reason(int error, RemoteWait wait)
{
    bool late = error == -ETIMEDOUT || error == -EBUSY;

    return error == -ENOTCONN ? REMOTE_R_DOWN : !late ? REMOTE_R_ERROR :
           wait == REMOTE_WAIT_BRIEF ? REMOTE_R_ASKED : REMOTE_R_LATE;
}

static void remote_ask_config(VIOMMU *v, VIOMMUEndpoint *ep, uint32_t pasid,
                              RemoteWait wait, VIOMMUConfig *config)
{
    VIOMMURemote *s = remote_of(v);
    VRPResolve question = {
        .rid = viommu_endpoint_sid(ep),
        .pasid = pasid == VIOMMU_NO_PASID ? VRP_NO_PASID : pasid,
    };
    VRPConfig answer;
    int error = remote_link_ask(s->link, VRP_RESOLVE, &question, NULL, 0,
                                &answer, NULL, wait);

    if (error) {
        config->mode = VIOMMU_BLOCKED;
        config->model = remote_reason(error, wait);
        return;
    }
    config->tag = IOTLB_TAG(0, answer.domain, 0);
    config->cacheable = answer.flags & VRP_CONFIG_KEEP;
    config->quiet = answer.flags & VRP_CONFIG_QUIET;
    config->ats = answer.flags & VRP_CONFIG_ATS;
    config->ats_first = answer.flags & VRP_CONFIG_ATS_FIRST;
    config->model = answer.reason;
    if (answer.mode == VRP_BYPASS) {
        config->mode = VIOMMU_BYPASS;
        config->bypass_bits = answer.bypass_bits;
    } else if (answer.mode == VRP_TRANSLATED) {
        config->mode = VIOMMU_TRANSLATE;
        config->space.ask = wait == REMOTE_WAIT_BRIEF ? &s->ask_brief :
                                                        &s->ask;
        config->space.ask_rid = question.rid;
        config->space.ask_pasid = question.pasid;
        config->space.ask_domain = answer.domain;
    }
}

static void remote_resolve(VIOMMU *v, VIOMMUEndpoint *ep, uint32_t pasid,
                           VIOMMUConfig *config)
{
    remote_ask_config(v, ep, pasid, REMOTE_WAIT_USUAL, config);
}

static IOPTFault remote_ask_page(VIOMMURemote *s, const IOPTSpace *space,
                                 uint64_t iova, unsigned access,
                                 RemoteWait wait, IOPTResult *out)
{
    static const IOPTFault kinds[VRP_VERDICTS] = {
        [VRP_ABSENT] = IOPT_FAULT_NOT_PRESENT,
        [VRP_DENIED] = IOPT_FAULT_PERMISSION,
        [VRP_RESERVED] = IOPT_FAULT_RESERVED,
        [VRP_UNREADABLE] = IOPT_FAULT_READ_TABLE,
        [VRP_RANGE] = IOPT_FAULT_RANGE,
    };
    VRPTranslate question = {
        .iova = iova,
        .rid = space->ask_rid,
        .pasid = space->ask_pasid,
        .domain = space->ask_domain,
        .access = (access & IOPT_READ ? VRP_READ : 0) |
                  (access & IOPT_WRITE ? VRP_WRITE : 0) |
                  (access & IOPT_EXEC ? VRP_EXEC : 0) |
                  (access & IOPT_PRIV ? VRP_PRIV : 0),
    };
    unsigned need = question.access & (VRP_READ | VRP_WRITE);
    VRPAnswer answer;
    int error = remote_link_ask(s->link, VRP_TRANSLATE, &question, NULL, 0,
                                &answer, NULL, wait);

    if (error) {
        out->entry = remote_reason(error, wait);
        return IOPT_FAULT_READ_TABLE;
    }
    if (answer.verdict != VRP_OK) {
        out->entry = answer.reason;
        return kinds[answer.verdict];
    }
    if (need & ~answer.perm) {
        /* It said yes, and what it allows is less. */
        return IOPT_FAULT_PERMISSION;
    }
    out->addr = answer.addr;
    out->shift = answer.shift;
    out->perm = (answer.perm & VRP_READ ? IOPT_READ : 0) |
                (answer.perm & VRP_WRITE ? IOPT_WRITE : 0);
    out->once = answer.flags & VRP_ANSWER_ONCE;
    return IOPT_OK;
}

/* IOPTAsk.walk */
static IOPTFault remote_walk(const IOPTAsk *ask, const IOPTSpace *space,
                             uint64_t iova, unsigned access, IOPTResult *out)
{
    return remote_ask_page(container_of(ask, VIOMMURemote, ask), space, iova,
                           access, REMOTE_WAIT_USUAL, out);
}

/* IOPTAsk.walk */
static IOPTFault remote_walk_brief(const IOPTAsk *ask, const IOPTSpace *space,
                                   uint64_t iova, unsigned access,
                                   IOPTResult *out)
{
    return remote_ask_page(container_of(ask, VIOMMURemote, ask_brief), space,
                           iova, access, REMOTE_WAIT_BRIEF, out);
}

static uint64_t remote_fault_reason(const VIOMMUConfig *config,
                                    const VIOMMUFault *fault)
{
    return fault->blocked ? config->model : fault->res.entry;
}

static VRPVerdict remote_verdict(const VIOMMUFault *fault)
{
    static const VRPVerdict verdicts[] = {
        [IOPT_FAULT_RANGE] = VRP_RANGE,
        [IOPT_FAULT_READ_TABLE] = VRP_UNREADABLE,
        [IOPT_FAULT_NOT_PRESENT] = VRP_ABSENT,
        [IOPT_FAULT_RESERVED] = VRP_RESERVED,
        [IOPT_FAULT_PERMISSION] = VRP_DENIED,
    };

    if (fault->blocked) {
        return VRP_OK;
    }
    return fault->denied || fault->reserved_range ? VRP_DENIED :
           verdicts[fault->kind];
}

bool remote_fault_is_servers(const VIOMMUConfig *config,
                             const VIOMMUFault *fault)
{
    return remote_fault_reason(config, fault) <= UINT32_MAX;
}

static bool remote_fault_is_told(const VIOMMUConfig *config,
                                 const VIOMMUFault *fault)
{
    return !config->quiet && remote_fault_is_servers(config, fault);
}

VRPFault remote_fault_message(VIOMMUEndpoint *ep, const VIOMMUConfig *config,
                              const VIOMMUFault *fault)
{
    VIOMMURemote *s = remote_of(ep->viommu);
    bool translated = fault->access == VIOMMU_TRANSLATED &&
                      (s->unit.features & VRP_F_DEVICE_TLB);

    return (VRPFault) {
        .iova = fault->iova,
        .rid = viommu_endpoint_sid(ep),
        .pasid = fault->pasid == VIOMMU_NO_PASID ? VRP_NO_PASID : fault->pasid,
        .access = (fault->is_write ? VRP_WRITE : VRP_READ) |
                  (fault->attrs & IOPT_EXEC ? VRP_EXEC : 0) |
                  (fault->attrs & IOPT_PRIV ? VRP_PRIV : 0) |
                  (translated ? VRP_BY_ATS : 0),
        .verdict = remote_verdict(fault),
        .reason = remote_fault_reason(config, fault),
    };
}

static void remote_fault(VIOMMU *v, VIOMMUEndpoint *ep,
                         const VIOMMUConfig *config, const VIOMMUFault *fault)
{
    VIOMMURemote *s = remote_of(v);
    VRPFault told = remote_fault_message(ep, config, fault);

    if (!remote_fault_is_told(config, fault)) {
        return;
    }
    if (remote_link_backlog(s->link) > FAULT_BACKLOG) {
        qatomic_inc(&s->missed_faults);
        qatomic_set(&s->lost_faults, qatomic_read(&s->lost_faults) + 1);
        return;
    }
    told.missed = qatomic_xchg(&s->missed_faults, 0);
    remote_link_post(s->link, VRP_FAULT, &told, NULL, 0, -1);
}

/*
 * Where what the server has said leads is for it to know.  Of an address that a
 * device was told before it is not asked: there is what all VT-d units refuse.
 */
static bool remote_output_ok(VIOMMU *v, hwaddr addr, hwaddr last)
{
    VIOMMURemote *s = remote_of(v);

    return s->unit.kind != REMOTE_UNIT_VTD ||
           remote_window_output_ok(s, addr, last);
}

static bool remote_check_notifier(VIOMMU *v, VIOMMUEndpoint *ep,
                                  IOMMUNotifierFlag flags, Error **errp)
{
    if (flags & IOMMU_NOTIFIER_MAP) {
        error_setg(errp, TYPE_VIOMMU_REMOTE ": the server does not say what is "
                   "mapped before it is asked, so nobody can keep a copy of "
                   "it; assign the device to a guest with intel-iommu, "
                   "caching-mode=on, instead");
        return false;
    }
    if ((flags & IOMMU_NOTIFIER_DEVIOTLB_UNMAP) &&
        !(remote_of(v)->unit.features & VRP_F_DEVICE_TLB)) {
        error_setg(errp, TYPE_VIOMMU_REMOTE ": the server has no device TLBs; "
                   "remove ats=on from the device, or give the server's unit "
                   "some (intel-iommu,device-iotlb=on; arm-smmuv3,ats=on)");
        return false;
    }
    return true;
}

/* Query */

static void remote_query_resolve(VIOMMU *v, VIOMMUEndpoint *ep,
                                 uint32_t pasid, VIOMMUConfig *config)
{
    remote_ask_config(v, ep, pasid, REMOTE_WAIT_BRIEF, config);
}

static const char *const remote_properties[] = {
    "chardev", "intremap", "mmio", "on-disconnect", "timeout", NULL
};

static void remote_query_unit(VIOMMU *v, VIOMMUInfo *info)
{
    VIOMMURemote *s = remote_of(v);
    VIOMMUNumberList **tail = &info->registers;
    RemoteLinkStats stats;

    remote_link_stats(s->link, &stats);
    viommu_say_number(&tail, "connected", remote_link_is_up(s->link));
    viommu_say_number(&tail, "connections", stats.connections);
    viommu_say_number(&tail, "answers", stats.asked);
    viommu_say_number(&tail, "answers-late", stats.late);
    viommu_say_number(&tail, "queries-unanswered", stats.unanswered);
    viommu_say_number(&tail, "bytes-unsent", remote_link_backlog(s->link));
    viommu_say_number(&tail, "faults-untold", qatomic_read(&s->lost_faults));
    viommu_say_number(&tail, "drains-waiting", !QTAILQ_EMPTY(&s->drains));
    if (remote_remaps(s)) {
        viommu_say_number(&tail, "interrupts-kept",
                          g_hash_table_size(s->irqs));
        viommu_say_number(&tail, "interrupts-lost", s->irqs_lost);
    }
}

/* VIOMMUQueryOps.remaps */
static bool remote_query_remaps(VIOMMU *v)
{
    return remote_remaps(remote_of(v));
}

static void remote_query_domain(VIOMMU *v, const VIOMMUConfig *config,
                                VIOMMUNumberList ***tail)
{
    viommu_say_number(tail, "domain", IOTLB_TAG_DOMAIN(config->tag));
}

static void remote_query_fault(VIOMMU *v, const VIOMMUConfig *config,
                               const VIOMMUFault *fault,
                               VIOMMUFaultSays *says)
{
    static const char *const words[VRP_VERDICTS] = {
        [VRP_OK] = "the server says that the requester is blocked",
        [VRP_ABSENT] = "the server says that nothing is mapped there",
        [VRP_DENIED] = "the server says that it is not for this access",
        [VRP_RESERVED] = "the server says that a table is malformed",
        [VRP_UNREADABLE] = "the server says that it cannot read a table",
        [VRP_RANGE] = "the server says that no table covers the address",
    };
    uint64_t reason = remote_fault_reason(config, fault);

    *says = (VIOMMUFaultSays) {
        .code = reason,
        .reason = words[remote_verdict(fault)],
        .recorded = remote_fault_is_told(config, fault),
    };
    if (fault->denied) {
        says->reason = "the server says that the device may keep no "
                       "translations";
    }
    if (reason > UINT32_MAX) {
        says->code = 0;
        says->reason =
            reason == REMOTE_R_DOWN ? "there is no connection to the server" :
            reason == REMOTE_R_LATE ? "the server did not answer in time" :
            reason == REMOTE_R_ASKED ? "the server has not answered yet" :
            "the server answered with an error";
    }
}

static const VIOMMUQueryOps remote_query_ops = {
    .properties = remote_properties,
    .resolve = remote_query_resolve,
    .unit = remote_query_unit,
    .domain = remote_query_domain,
    .fault = remote_query_fault,
    .remaps = remote_query_remaps,
};

const VIOMMUOps viommu_remote_ops = {
    .asks = true,
    .resolve = remote_resolve,
    .fault = remote_fault,
    .query = &remote_query_ops,
    .output_ok = remote_output_ok,
    .endpoint_init = remote_window_endpoint,
    .check_notifier = remote_check_notifier,
    .ats_fault = remote_ats_fault,
    .page_request = remote_page_request,
    .requesters_changed = remote_requesters_changed,
};

void remote_model_init(VIOMMURemote *s)
{
    s->ask.walk = remote_walk;
    s->ask_brief.walk = remote_walk_brief;
}
