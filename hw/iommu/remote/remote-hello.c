/*
 * A vIOMMU outside the VMM: the JSON of the handshake
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include "qobject/qstring.h"
#include "remote-link.h"

#define ADDRESS_BITS_MIN 12
#define ADDRESS_BITS_MAX 64

char *remote_hello(uint32_t features)
{
    g_autoptr(GString) list = g_string_new("");

    for (unsigned i = 0; vrp_feature_name(i); i++) {
        if (features & 1u << i) {
            g_string_append_printf(list, "%s\"%s\"", list->len ? "," : "",
                                   vrp_feature_name(i));
        }
    }
    return g_strdup_printf(
        "{\"capabilities\":{\"max_msg_fds\":1,\"max_data_xfer_size\":%u,"
        "\"viommu\":{\"version\":%u,\"features\":[%s]}}}", VRP_DATA_MAX,
        VRP_VIOMMU_VERSION, list->str);
}

/* Of what the list @name names, what we know, too */
static uint32_t hello_features(const QDict *viommu, const char *name)
{
    QList *list = qobject_to(QList, qdict_get(viommu, name));
    const QListEntry *entry;
    uint32_t features = 0;

    if (!list) {
        return 0;
    }
    QLIST_FOREACH_ENTRY(list, entry) {
        const QString *string = qobject_to(QString, qlist_entry_obj(entry));
        const char *said = string ? qstring_get_str(string) : "";

        features |= vrp_feature(said, strlen(said));
    }
    return features;
}

/* What it needs that we have not */
static const char *hello_lacks(uint32_t lacks)
{
    return lacks & VRP_F_INTERRUPTS ?
           "its unit remaps interrupts; give viommu-remote intremap=on, or the "
           "server's unit none of it (intel-iommu,intremap=off)" :
           lacks & VRP_F_POSTED ?
           "its unit posts interrupts, which KVM cannot take; give the "
           "server's unit posted-interrupts=off" :
           lacks ? "its unit needs features that are not there" : NULL;
}

/* What it says that software finds in its registers; nothing is no lie. */
static const char *hello_unit(const QDict *viommu, uint32_t features,
                              RemoteUnit *unit)
{
    const char *name = qdict_get_try_str(viommu, "unit");
    int64_t bits = qdict_get_try_int(viommu, "address-bits", 0);

    *unit = (RemoteUnit) {
        .kind = REMOTE_UNIT_OTHER,
        .features = hello_features(viommu, "features") & features,
    };
    if (!name || strcmp(name, VRP_UNIT_VTD)) {
        return NULL;
    }
    if (bits < ADDRESS_BITS_MIN || bits > ADDRESS_BITS_MAX) {
        return "it is a VT-d, but its addresses are not of 12 to 64 bits";
    }
    unit->kind = REMOTE_UNIT_VTD;
    unit->address_bits = bits;
    return NULL;
}

const char *remote_hello_read(const uint8_t *data, size_t len,
                              uint32_t features, RemoteUnit *unit)
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
        wrong = hello_lacks(hello_features(dict, "needs") & ~features) ?:
                hello_unit(dict, features, unit);
    }
    qobject_unref(object);
    return wrong;
}
