"""A small ext4 file system in a file, whose power can be cut and whose space can run out."""

import ctypes
import errno
import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import time

from lab.machine import LabError

SHUTDOWN = 0x8004587D              # EXT4_IOC_SHUTDOWN
NOLOGFLUSH = 2                     # what is not on disk by now is gone, the journal's tail too
CLONE_NEWNS = 0x00020000
BALLAST = ".ballast"


def own_mounts():
    """Gives this process and its children mounts of their own, which the kernel removes with the last of them, however that ends.

    Returns why it cannot be, or None. Must come before anything is started."""
    if os.getuid() != 0:
        return "mounting needs root"
    for program in ("mkfs.ext4", "mount", "umount"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(CLONE_NEWNS) != 0:
        return f"no mount namespace of our own: {os.strerror(ctypes.get_errno())}"
    done = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, text=True)
    return f"mounts cannot be made private: {done.stderr.strip()}" if done.returncode != 0 else None


def command(*args):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise LabError(f"{' '.join(map(str, args))} ended with {done.returncode}: {done.stderr.strip()}")


class Volume:
    """An ext4 of its own at `place`; the image lies beside it."""

    def __init__(self, place, mib):
        self.place = pathlib.Path(place)
        self.place.mkdir(parents=True, exist_ok=True)
        self.image = self.place.with_name(self.place.name + ".ext4")
        with open(self.image, "wb") as file:
            file.truncate(mib << 20)
        command("mkfs.ext4", "-q", "-F", "-m", "0", "-i", "4096", self.image)   # the engine has many small files
        self.mount()

    def mount(self):
        command("mount", "-o", "loop", self.image, self.place)

    def cut_power(self):
        """From here on every write fails and nothing reaches the disk; what was not synced is gone."""
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        finally:
            os.close(descriptor)

    def restore_power(self):
        """After everybody who had files there is gone: what a machine finds when it starts again."""
        self.unmount()
        self.mount()

    def unmount(self, seconds=10):
        end = time.monotonic() + seconds
        while True:
            try:
                return command("umount", self.place)
            except LabError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def close(self):
        """Lets go of it; busy or not, the kernel unmounts it with the last of our processes."""
        try:
            self.unmount(3)
        except LabError:
            command("umount", "--lazy", self.place)

    def fill(self):
        """Takes what space there is."""
        with open(self.place / BALLAST, "ab", buffering=0) as file:
            size = 1 << 20
            while size >= 512:
                try:
                    if file.write(bytes(size)) == size:
                        continue
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                size //= 2

    def make_room(self):
        (self.place / BALLAST).unlink(missing_ok=True)


def power_can_be_cut(directory):
    """None, or why not: tried on a volume of 16 MiB, which must keep what was synced and lose what was not."""
    place = pathlib.Path(directory) / "power-probe"
    try:
        volume = Volume(place, 16)
    except LabError as error:
        return str(error)
    try:
        for name, synced in (("synced", True), ("not-synced", False)):
            with open(place / name, "wb") as file:
                file.write(bytes(100_000))
                if synced:
                    file.flush()
                    os.fsync(file.fileno())
        volume.cut_power()
        volume.restore_power()
        size = {name: (place / name).stat().st_size if (place / name).exists() else 0 for name in ("synced", "not-synced")}
        return None if size == {"synced": 100_000, "not-synced": 0} else f"the probe kept {size}"
    except OSError as error:
        return f"ext4 shutdown: {error}"
    finally:
        volume.unmount()
        volume.image.unlink()
