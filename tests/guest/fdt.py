# SPDX-License-Identifier: GPL-2.0-or-later
"""
Device trees as the emulator writes them, with properties added to their nodes.

Devicetree Specification 0.4, 5: the flattened form.
"""

import struct

HEAD = struct.Struct('>10I')
MAGIC, VERSION, COMPATIBLE = 0xd00dfeed, 17, 16
BEGIN_NODE, END_NODE, PROP, NOP, END = 1, 2, 3, 4, 9


def padded(data):
    return data + bytes(-len(data) % 4)


def cells(*values):
    """A property's value: numbers of 32 bits."""
    return struct.pack(f'>{len(values)}I', *values)


class Tree:
    def __init__(self, data):
        (magic, _, at, strings, reserved, version, _, self.cpu, strings_size,
         size) = HEAD.unpack_from(data)
        if magic != MAGIC or version < VERSION:
            raise ValueError('not a device tree of version 17')
        self.structure = data[at:at + size]
        self.strings = data[strings:strings + strings_size]
        # It ends with an entry of zeroes.
        end = reserved
        while any(data[end:end + 16]):
            end += 16
        self.reserved = data[reserved:end + 16]

    def _string(self, data, at):
        return data[at:data.index(b'\0', at)]

    def _tokens(self):
        """(path, name of a property, its value, where the next token is)"""
        at, path = 0, []
        while True:
            kind, = struct.unpack_from('>I', self.structure, at)
            at += 4
            if kind == BEGIN_NODE:
                name = self._string(self.structure, at)
                at += len(padded(name + b'\0'))
                path.append(name.decode())
                yield '/'.join(path) or '/', '', b'', at
            elif kind == END_NODE:
                path.pop()
            elif kind == PROP:
                size, name = struct.unpack_from('>2I', self.structure, at)
                value = self.structure[at + 8:at + 8 + size]
                at += 8 + len(padded(value))
                yield ('/'.join(path) or '/',
                       self._string(self.strings, name).decode(), value, at)
            elif kind == END:
                return

    def new_phandle(self):
        """A number that no node has."""
        return 1 + max((struct.unpack('>I', value)[0]
                        for _, name, value, _ in self._tokens()
                        if name == 'phandle'), default=0)

    def add(self, path, name, value):
        """Give the node at @path a property that it does not have."""
        at = next(where for node, prop, _, where in self._tokens()
                  if node == path and not prop)
        prop = struct.pack('>3I', PROP, len(value), len(self.strings)) + \
            padded(value)
        self.strings += name.encode() + b'\0'
        self.structure = self.structure[:at] + prop + self.structure[at:]

    def pack(self):
        reserved = HEAD.size
        at = reserved + len(self.reserved)
        strings = at + len(self.structure)
        return HEAD.pack(MAGIC, strings + len(self.strings), at, strings,
                         reserved, VERSION, COMPATIBLE, self.cpu,
                         len(self.strings), len(self.structure)) + \
            self.reserved + self.structure + self.strings
