/*
 * A vIOMMU outside the VMM: the JSON of the handshake
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "remote-link.h"

#define ADDRESS_BITS_MIN 12
#define ADDRESS_BITS_MAX 64

char *remote_hello(void)
{
    return g_strdup_printf(
        "{\"capabilities\":{\"max_msg_fds\":1,\"max_data_xfer_size\":%u,"
        "\"viommu\":{\"version\":%u}}}", VRP_DATA_MAX, VRP_VIOMMU_VERSION);
}

/* What it says that software finds in its registers; nothing is no lie. */
static const char *hello_unit(const QDict *viommu, RemoteUnit *unit)
{
    const char *name = qdict_get_try_str(viommu, "unit");
    int64_t bits = qdict_get_try_int(viommu, "address-bits", 0);

    *unit = (RemoteUnit) { .kind = REMOTE_UNIT_OTHER };
    if (!name || strcmp(name, VRP_UNIT_VTD)) {
        return NULL;
    }
    if (bits < ADDRESS_BITS_MIN || bits > ADDRESS_BITS_MAX) {
        return "it is a VT-d, but its addresses are not of 12 to 64 bits";
    }
    *unit = (RemoteUnit) {
        .kind = REMOTE_UNIT_VTD,
        .address_bits = bits,
    };
    return NULL;
}

const char *remote_hello_read(const uint8_t *data, size_t len,
                              RemoteUnit *unit)
{
    const char *wrong = "it is no vIOMMU: no capability viommu of version 1";
    QObject *object;
    QDict *dict;

    if (!len || data[len - 1]) {
        return wrong;
    }
    object = qobject_from_json((const char *)data, NULL);
    dict = qobject_to(QDict, object);
    dict = dict ? qdict_get_qdict(dict, "capabilities") : NULL;
    dict = dict ? qdict_get_qdict(dict, "viommu") : NULL;
    if (dict && qdict_get_try_int(dict, "version", 0) == VRP_VIOMMU_VERSION) {
        wrong = hello_unit(dict, unit);
    }
    qobject_unref(object);
    return wrong;
}
