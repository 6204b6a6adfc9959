"""Open files and folders without being led elsewhere by links, or held up by pipes and devices.

Others may be able to write to the folders that colorzoo reads from and writes to: a link there
could make it replace a file somewhere else. So below an output folder, no link is followed.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from colorzoo.errors import ImageError

# What there may be in the place of a file, in words.
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

# Windows lacks most of these.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # for the other end of a pipe
# A folder to open others in; it need not be readable.
_HANDLE = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
_HAS_HANDLES = {os.open, os.stat, os.unlink, os.mkdir, os.rename} <= os.supports_dir_fd


def kind_of(found: os.stat_result) -> str:
    """Return in words what a file is, such as "a link"; "" if it is a regular file."""
    if stat.S_ISREG(found.st_mode):
        return ""
    return _KINDS.get(stat.S_IFMT(found.st_mode), "no regular file")


class Folder:
    """A folder that is held open, so that nobody can put another one, or a link, in its place.

    Its files are named without their folder, and links in the place of files are not followed. Use
    ``open_folder`` to get one, and use it as a context manager.

    Attributes:
        path: Its path.
    """

    def __init__(self, path: Path, handle: int | None) -> None:
        """Take over a folder's descriptor; None where the system has none for folders."""
        self.path, self._handle = path, handle

    def __enter__(self) -> "Folder":
        """Return the folder itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close it; it can no longer be used."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def look(self, name: str) -> os.stat_result | None:
        """Return what is known of a file, or of the link in its place; None if there is none."""
        with suppress(FileNotFoundError):
            return os.stat(self._at(name), dir_fd=self._handle, follow_symlinks=False)
        return None

    def open(self, name: str, mode: str, *, permissions: int = 0o666) -> BinaryIO:
        """Open a regular file, unbuffered unless it is created.

        Args:
            name: The file; the stream's ``name`` is its path.
            mode: As for the function ``open``, binary.
            permissions: Of a file that is created, less the umask.

        Raises:
            OSError: If it is not a regular file, or cannot be opened.
        """

        def opener(_: str, flags: int) -> int:
            flags |= _NO_LINK | _NO_WAIT
            return os.open(self._at(name), flags, permissions, dir_fd=self._handle)

        try:
            stream = open(self.path / name, mode, -1 if "x" in mode else 0, opener=opener)
        except OSError as error:
            found = self.look(name) if error.errno in (errno.ELOOP, errno.ENXIO) else None
            if found is not None and kind_of(found):
                raise _refused(found, self.path / name) from error
            raise
        found = os.fstat(stream.fileno())
        if kind_of(found):
            stream.close()
            raise _refused(found, self.path / name)
        return stream  # pyright: ignore[reportReturnType]

    def unlink(self, name: str) -> None:
        """Delete a file, or the link in its place."""
        os.unlink(self._at(name), dir_fd=self._handle)

    def replace(self, name: str, target: str) -> None:
        """Rename a file; it gets the permissions and the owner of the file that it replaces.

        Raises:
            OSError: If the target is there and not a regular file (a link is replaced), or the file
                cannot be renamed.
        """
        old = self.look(target)
        if old is not None and not stat.S_ISLNK(old.st_mode):
            if kind_of(old):
                raise _refused(old, self.path / target)
            self._adopt(name, old)
        handle = self._handle
        os.replace(self._at(name), self._at(target), src_dir_fd=handle, dst_dir_fd=handle)

    def _adopt(self, name: str, old: os.stat_result) -> None:
        mode = stat.S_IMODE(old.st_mode) & 0o777
        if not hasattr(os, "fchown"):
            (self.path / name).chmod(mode)
            return
        with self.open(name, "rb") as stream:  # by name: it may have been replaced since
            descriptor, new = stream.fileno(), os.fstat(stream.fileno())
            if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
                try:
                    os.fchown(descriptor, old.st_uid, old.st_gid)
                except OSError:  # only the superuser may give files away
                    with suppress(OSError):
                        os.fchown(descriptor, -1, old.st_gid)
                if os.fstat(descriptor).st_gid != old.st_gid:  # then it is not for another group
                    mode &= ~0o070 | (mode & 0o007) << 3
            if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:  # some disks know only one mode
                os.fchmod(descriptor, mode)

    def _at(self, name: str) -> str | Path:
        return self.path / name if self._handle is None else name


def open_folder(path: Path, *, within: Path | None = None, create: bool = False) -> Folder:
    """Open a folder.

    Args:
        path: The folder.
        within: A folder above it, or the folder itself: below it, no link is followed. None to
            follow all.
        create: Make it if it is missing, and those above.

    Raises:
        OSError: If it is missing, cannot be opened or made, or lies behind a link.
    """
    start = path if within is None else within
    if create:
        start.mkdir(parents=True, exist_ok=True)
    if not _HAS_HANDLES:
        found = _link_below(path, start)
        if found is not None:
            raise _refused(os.lstat(found), found)
        if create:
            path.mkdir(parents=True, exist_ok=True)
        path.stat()
        return Folder(path, None)
    handle, here = os.open(start, _HANDLE), start
    for part in path.relative_to(start).parts:
        here /= part
        try:
            below = _open_below(handle, part, here, create=create)
        finally:
            os.close(handle)
        handle = below
    return Folder(path, handle)


def refusal(target: Path, within: Path) -> str | None:
    """Return why a file may not be written, as a sentence; None if it may.

    Args:
        target: The file.
        within: The output folder.
    """
    found = _link_below(target, within)
    if found is not None:
        return (
            f"{found} is a link, and links in an output folder are not followed. Remove it, or "
            "choose another output."
        )
    try:
        kind = kind_of(os.lstat(target))
    except OSError:
        return None
    if not kind:
        return None
    return f"{target} is {kind}, not a regular file. Remove it, or choose another output."


def regular_only(path: str | os.PathLike[str], flags: int) -> int:
    """Open a file that must be regular, for the function ``open``; it never waits.

    A pipe would be waited for, perhaps forever, and a device can be endless. Pipes that the process
    inherited (``/dev/stdin`` and the like) are accepted.

    Raises:
        ImageError: If it is something else.
        OSError: If it cannot be opened.
    """
    path = Path(path)
    is_inherited = os.path.realpath(path.parent) in ("/dev/fd", f"/proc/{os.getpid()}/fd")
    is_inherited = is_inherited or path == Path("/dev/stdin")
    descriptor = os.open(path, flags if is_inherited else flags | _NO_WAIT)
    try:
        found = os.fstat(descriptor)
        kind = kind_of(found)
        if kind and not (is_inherited and stat.S_ISFIFO(found.st_mode)):
            raise ImageError(f"{path.name}: is {kind}, expected a regular file; give another")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _link_below(path: Path, start: Path) -> Path | None:
    """Return the first link below a folder on the way to a path; None if there is none."""
    here = start
    for part in path.relative_to(start).parts:
        here /= part
        if os.path.islink(here):
            return here
    return None


def _open_below(handle: int, name: str, path: Path, *, create: bool) -> int:
    if create:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=handle)
    try:
        return os.open(name, _HANDLE | _NO_LINK, dir_fd=handle)
    except OSError as error:
        found = None
        with suppress(OSError):
            found = os.stat(name, dir_fd=handle, follow_symlinks=False)
        if found is not None and stat.S_ISLNK(found.st_mode):
            raise _refused(found, path) from error
        raise OSError(error.errno, error.strerror, str(path)) from error


def _refused(found: os.stat_result, path: Path) -> OSError:
    if stat.S_ISLNK(found.st_mode):
        reason = "it is a link, and links in an output folder are not followed"
        return OSError(errno.ELOOP, reason, str(path))
    return OSError(errno.EEXIST, f"it is {kind_of(found)}, not a regular file", str(path))
