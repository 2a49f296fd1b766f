# SPDX-License-Identifier: GPL-2.0-or-later
"""
A libvirtd of the distribution's that nobody else sees: in namespaces of its own
its configuration, its state, its sockets and its network are in a temporary
directory or in memory. The machine's own libvirt is neither asked nor touched.
"""

import os
import shutil
import subprocess
import time

LIMIT = 600         # seconds for a command; only what hangs is ended
URI = 'qemu:///system'
# These are empty in there, but for what libvirt and the test write.
HIDDEN = ('/run', '/var/lib', '/var/log', '/var/cache')
IMAGES = '/var/lib/libvirt/images'
SBIN = ('/usr/sbin', '/sbin', '/usr/local/sbin')
# Nothing started in there outlives it. Its first process is a shell, because
# that takes the emulators, which nobody else waits for, when they have ended.
NAMESPACES = ['unshare', '--mount', '--net', '--pid', '--fork',
              '--kill-child', '--mount-proc', '--propagation', 'private',
              'sh', '-c', '"$@"; exit $?', 'sh']
USER = 'libvirt-qemu'       # the distribution's libvirtd wants it to exist
DAEMON = '''auth_unix_ro = "none"
auth_unix_rw = "none"
'''
DRIVER = '''user = "root"
group = "root"
dynamic_ownership = 0
security_driver = "none"
stdio_handler = "file"
cgroup_controllers = []
namespaces = []
'''
NETWORK = '''<network>
  <name>default</name>
  <forward mode='bridge'/>
  <bridge name='virbr0'/>
</network>
'''


class LibvirtError(Exception):
    """A command failed; what it said."""


def program(name):
    return shutil.which(name, path=':'.join((os.environ.get('PATH', ''),
                                             *SBIN)))


def obstacle():
    """Why there can be no such libvirtd here, or ''."""
    if os.geteuid() != 0:
        return 'libvirtd as the system\'s wants root'
    for name in ('unshare', 'libvirtd', 'virsh', 'ip'):
        if not program(name):
            return f'no {name}: scripts/install-deps --libvirt'
    done = subprocess.run(NAMESPACES + ['true'], check=False, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE)
    return f'no namespaces: {done.stderr.strip()}' if done.returncode else ''


def run(*command):
    done = subprocess.run(command, check=False, text=True, timeout=LIMIT,
                          errors='replace', stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise LibvirtError(f'{" ".join(command)}: {done.stderr.strip()}')
    return done.stdout


class Libvirtd:
    """Only within NAMESPACES. @directory: a temporary one, outside HIDDEN"""

    def __init__(self, directory):
        self.directory = directory
        self.output = os.path.join(directory, 'libvirtd.out')
        self.hide()
        self.add_user('/etc/passwd', f'{USER}:x:64055:64055::/:/bin/false\n')
        self.add_user('/etc/group', f'{USER}:x:64055:\n')
        self.process = None

    def hide(self):
        for path in HIDDEN:
            run('mount', '-t', 'tmpfs', 'none', path)
        for path in (IMAGES, '/run/libvirt', '/var/log/libvirt'):
            os.makedirs(path)
        etc = os.path.join(self.directory, 'etc')
        os.mkdir(etc)
        self.write('etc/libvirtd.conf', DAEMON)
        self.write('etc/qemu.conf', DRIVER)
        os.makedirs('/etc/libvirt', exist_ok=True)
        run('mount', '--bind', etc, '/etc/libvirt')

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        return path

    def add_user(self, path, line):
        with open(path, encoding='utf-8') as f:
            text = f.read()
        if f'\n{USER}:' not in text:
            mine = self.write(os.path.basename(path), text + line)
            run('mount', '--bind', mine, path)

    def version(self):
        return run(program('libvirtd'), '--version').strip()

    def start(self):
        with open(self.output, 'wb') as out:
            self.process = subprocess.Popen(
                [program('libvirtd')], stdin=subprocess.DEVNULL, stdout=out,
                stderr=out)
        end = time.monotonic() + LIMIT
        while True:
            try:
                self.virsh('list')
                return
            except LibvirtError as error:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise LibvirtError(f'{error}; libvirtd says: '
                                       f'{self.said()}') from None
            time.sleep(0.1)

    def start_network(self):
        """The network "default", with nobody in it."""
        run('ip', 'link', 'add', 'virbr0', 'type', 'bridge')
        self.virsh('net-define', self.write('network.xml', NETWORK))
        self.virsh('net-start', 'default')

    def virsh(self, *words):
        return run(program('virsh'), '-q', '-c', URI, *words)

    def said(self):
        with open(self.output, encoding='utf-8', errors='replace') as f:
            return '\n'.join(f.read().splitlines()[-5:])

    def emulator_said(self, name):
        """The end of what the emulator of a domain said."""
        path = f'/var/log/libvirt/qemu/{name}.log'
        try:
            with open(path, encoding='utf-8', errors='replace') as f:
                return '\n'.join(f.read().splitlines()[-5:])
        except OSError:
            return ''

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(LIMIT)
