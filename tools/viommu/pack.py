#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Makes one executable file of a Python package (see "zipapp" of the standard
library), which runs wherever it is put.

    pack.py OUTPUT PACKAGE.MODULE FILE...

The module's main() is called. The output depends on the files alone.
"""

import os
import sys
import zipfile

SHEBANG = b'#!/usr/bin/env python3\n'
LONG_AGO = (1980, 1, 1, 0, 0, 0)
START = '''# SPDX-License-Identifier: GPL-2.0-or-later
import sys
from {0} import main
sys.exit(main())
'''


def main(output, module, *files):
    package = module.split('.')[0]
    members = {'__main__.py': START.format(module).encode()}
    for path in files:
        with open(path, 'rb') as file:
            members[f'{package}/{os.path.basename(path)}'] = file.read()
    with open(output, 'wb') as out:
        out.write(SHEBANG)
        with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(members):
                archive.writestr(zipfile.ZipInfo(name, LONG_AGO),
                                 members[name], zipfile.ZIP_DEFLATED)
    os.chmod(output, 0o755)


if __name__ == '__main__':
    main(*sys.argv[1:])
