/*
 * A VT-d unit that remaps the interrupts of an edu device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-vtd-remap.h"

void remap_put(Remap *r, unsigned index, uint64_t lo, uint64_t hi)
{
    qtest_writeq(r->vtd->qts, r->table + index * 16 + 8, hi);
    qtest_writeq(r->vtd->qts, r->table + index * 16, lo);
}

void remap_flush(Remap *r, unsigned index)
{
    vtd_queue_put(r->vtd, VTD_D_IEC | VTD_D_IEC_INDEX | (uint64_t)index << 32,
                  0);
    vtd_queue_wait_put(r->vtd);
    vtd_queue_kick(r->vtd);
    vtd_inv_wait(r->vtd, VTD_QUEUED);
}

void remap_flush_all(Remap *r)
{
    vtd_queue_put(r->vtd, VTD_D_IEC, 0);
    vtd_queue_wait_put(r->vtd);
    vtd_queue_kick(r->vtd);
    vtd_inv_wait(r->vtd, VTD_QUEUED);
}

void remap_set_table(Remap *r, uint64_t irta)
{
    vtd_write64(r->vtd, VTD_IRTA, irta);
    vtd_gcmd(r->vtd, VTD_G_SIRTP, 0);
    viommu_until(r->vtd, vtd_read32(r->vtd, VTD_GSTS) & VTD_G_SIRTP);
    remap_flush_all(r);
}

Remap *remap_of(VTD *vtd)
{
    Remap *r = g_new0(Remap, 1);

    r->vtd = vtd;
    r->table = vtd_alloc(vtd, 1);
    r->edu = edu_new(&vtd->unit, EDU_SID);
    return r;
}

void remap_enable(Remap *r, uint64_t irta_bits)
{
    vtd_enable_queue(r->vtd);
    remap_set_table(r, r->table | VTD_IRTA_SIZE(REMAP_LOG2) | irta_bits);
    vtd_gcmd(r->vtd, VTD_G_IRE, 0);
    viommu_until(r->vtd, vtd_read32(r->vtd, VTD_GSTS) & VTD_G_IRE);
}

Remap *remap_new_args(const char *unit, uint64_t irta_bits, const char *args)
{
    Remap *r = remap_of(vtd_start(unit, "%s%s", EDU_DEVICE "-smp 2 ", args));

    remap_enable(r, irta_bits);
    return r;
}

Remap *remap_new(const char *unit, uint64_t irta_bits)
{
    return remap_new_args(unit, irta_bits, "");
}

void remap_free(Remap *r)
{
    edu_free(r->edu);
    vtd_stop(r->vtd);
    g_free(r);
}

void remap_send(Remap *r, unsigned index)
{
    edu_msi(r->edu, VTD_MSI_REMAP(index), 0);
    edu_raise(r->edu);
}
