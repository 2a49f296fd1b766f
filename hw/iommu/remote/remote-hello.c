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

/* We can do all that there is. */
char *remote_hello(void)
{
    g_autoptr(GString) features = g_string_new("");

    for (unsigned i = 0; vrp_feature_name(i); i++) {
        g_string_append_printf(features, "%s\"%s\"", i ? "," : "",
                               vrp_feature_name(i));
    }
    return g_strdup_printf(
        "{\"capabilities\":{\"max_msg_fds\":1,\"max_data_xfer_size\":%u,"
        "\"viommu\":{\"version\":%u,\"features\":[%s]}}}", VRP_DATA_MAX,
        VRP_VIOMMU_VERSION, features->str);
}

/* Of what it names, what we know, too */
static uint32_t hello_features(const QDict *viommu)
{
    QList *list = qobject_to(QList, qdict_get(viommu, "features"));
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

/* What it says that software finds in its registers; nothing is no lie. */
static const char *hello_unit(const QDict *viommu, RemoteUnit *unit)
{
    const char *name = qdict_get_try_str(viommu, "unit");
    int64_t bits = qdict_get_try_int(viommu, "address-bits", 0);

    *unit = (RemoteUnit) {
        .kind = REMOTE_UNIT_OTHER,
        .features = hello_features(viommu),
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
