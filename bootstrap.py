#!/usr/bin/env python3
"""Set up napari-medrefine on a fresh machine, then show what it does or test it.

    python3 bootstrap.py demo     set up, run the main job on embedded data
    python3 bootstrap.py test     set up, run every test (a virtual display is brought along)

Needs nothing but Python >= 3.11. Python packages are installed into `.venv` beside this file, so a
system Python that refuses `pip install` is no obstacle. Where system packages are missing (`venv`, and
for the tests a virtual display) and it may, it installs them with apt-get; else it prints the command.
Whatever follows the word is handed on, e.g. `python3 bootstrap.py test -k registration`.
"""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")

# What a Qt window with OpenGL needs on a Linux server without a display: shared library -> Debian package.
DISPLAY_LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libOpenGL.so.0": "libopengl0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
}
# Programs and drivers that no library of the list brings: (where to look, Debian package).
DISPLAY_FILES = (
    (("/usr/bin/Xvfb",), "xvfb"),
    (
        (
            "/usr/lib/*/dri/swrast_dri.so",
            "/usr/lib/*/libgallium*.so",
            "/usr/lib*/dri/swrast_dri.so",
        ),
        "libgl1-mesa-dri",
    ),
)
FEDORA_PACKAGES = (
    "xorg-x11-server-Xvfb mesa-dri-drivers mesa-libGL mesa-libEGL libglvnd-opengl "
    "libxkbcommon-x11 xcb-util-cursor xcb-util-image xcb-util-keysyms xcb-util-renderutil "
    "xcb-util-wm dbus-libs fontconfig glib2"
)


def main(words: list[str]) -> int:
    """Do what the command line says."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the Python that starts us may be older
        return fail(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.")
    if not words or words[0] not in ("demo", "test"):
        print(__doc__)
        return 2
    job, *rest = words
    if job == "test":
        error = get_virtual_display()
        if error:
            return fail(error)
    error = get_environment(["--group", "test"] if job == "test" else [".[all]"])
    if error:
        return fail(error)
    return demo(rest) if job == "demo" else test(rest)


def demo(rest: list[str]) -> int:
    """Run the main job on the procedural slide; its pictures land in `medrefine-demo`."""
    return subprocess.call([BIN / "medrefine", "demo", *rest], cwd=ROOT)


def test(rest: list[str]) -> int:
    """Run every test on every core, on Linux in virtual displays with software OpenGL."""
    cores = ["-n", "logical", "--maxprocesses", "4", "--dist", "loadfile"]
    command = [str(BIN / "python"), "-m", "pytest", *cores, *rest]
    environment = dict(os.environ)
    if sys.platform == "linux":
        environment["LIBGL_ALWAYS_SOFTWARE"] = "1"
        environment["QT_QPA_PLATFORM"] = "xcb"
    return subprocess.call(command, cwd=ROOT, env=environment)


def get_environment(what: list[str]) -> str:
    """Make `.venv` and install this package and `what` into it; return an error sentence or ''."""
    if not (BIN / ("python.exe" if os.name == "nt" else "python")).exists():
        made = subprocess.run(
            [sys.executable, "-m", "venv", VENV], capture_output=True, text=True, check=False
        )
        if made.returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
            missing = get_packages([f"{version}-venv"])
            if missing:
                return f"This Python cannot make virtual environments. {missing}"
            subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    pip = [BIN / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    say("Installing into .venv (torch and napari take a few minutes the first time) ...")
    for step in (
        [*pip, "--upgrade", "pip>=25.1"],
        [*pip, "--constraint", ROOT / "constraints.txt", "--editable", *join(what)],
    ):
        if subprocess.call(step, cwd=ROOT):
            return "pip could not install what is needed; its message is above."
    return ""


def join(what: list[str]) -> list[str]:
    """Return the arguments of an editable install of this folder with `what`."""
    return what if what[0].startswith(".") else [".", *what]


def get_virtual_display() -> str:
    """See to Xvfb and software OpenGL on Linux; return an error sentence or ''."""
    if sys.platform != "linux":
        return ""
    missing = missing_display_packages()
    return get_packages(missing) if missing else ""


def missing_display_packages() -> list[str]:
    """Return the Debian packages of a virtual display that this machine lacks."""
    missing = [package for library, package in DISPLAY_LIBRARIES.items() if not loads(library)]
    for patterns, package in DISPLAY_FILES:
        if not any(list(Path("/").glob(pattern.lstrip("/"))) for pattern in patterns):
            missing.append(package)
    return missing


def loads(library: str) -> bool:
    """Return whether the dynamic linker finds `library`."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def get_packages(packages: list[str]) -> str:
    """Install Debian packages where we may; return a sentence with the exact command where not."""
    if not shutil.which("apt-get"):
        return (
            "System packages are missing. On Debian or Ubuntu: sudo apt-get install -y "
            f"{' '.join(packages)}; on Fedora: sudo dnf install -y {FEDORA_PACKAGES}"
        )
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    may = not sudo or (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    )
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    by_hand = f"Run this, then try again: sudo apt-get update && sudo {' '.join(install)}"
    if not may:
        return f"System packages are missing. {by_hand}"
    say(f"Installing system packages: {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # An update may fail for one repository of many, which need not be one that these come from.
    output = ""
    for step in ([*sudo, "apt-get", "update"], [*sudo, *install]):
        done = subprocess.run(step, env=environment, capture_output=True, text=True, check=False)
        output += done.stdout[-2000:] + done.stderr[-2000:] if done.returncode else ""
    if done.returncode:
        print(output, file=sys.stderr)
        return f"apt-get failed; its message is above. {by_hand}"
    return ""


def say(text: str) -> None:
    """Print `text` at once, before any output of the programs that are started next."""
    print(text, flush=True)


def fail(sentence: str) -> int:
    """Print an error and return the exit status for it."""
    print(f"bootstrap: {sentence}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
