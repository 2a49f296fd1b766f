/*
 * What firmware tables say of an endpoint: DMAR, IORT, VIOT
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Read from fw_cfg as the machine offers them, so no firmware has to run.
 * They are made when they are read for the first time after a reset: number
 * the buses before.
 */
#ifndef VIOMMU_POLICY_ACPI_H
#define VIOMMU_POLICY_ACPI_H

#include "viommu-policy-rig.h"

typedef struct PolicyTable {
    PolicyRig *rig;
    uint8_t *data;
    uint32_t len;
} PolicyTable;

/* policy_table_name: the signature of the model's table. */
const char *policy_table_name(PolicyModel model);
void policy_table_read(PolicyTable *t, PolicyRig *rig);
void policy_table_free(PolicyTable *t);
char *policy_table_hex(const PolicyTable *t);

/* policy_table_lists: is the requester @bdf translated? */
bool policy_table_lists(const PolicyTable *t, uint16_t bdf);

/* policy_table_smmu_flags: where the SMMUv3 node's flags are.  IORT only. */
uint32_t policy_table_smmu_flags(const PolicyTable *t);

/* policy_table_ats: may devices below the root port use ATS? DMAR only. */
bool policy_table_ats(const PolicyTable *t, uint16_t root_port);

#endif
