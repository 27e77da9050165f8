"""The extension modules, and the wheel's bill of materials; all else about the package stands in pyproject.toml.

GOISH_DEBUG=1 builds with invariant checks and without optimisation, GOISH_SANITIZE=address (undefined, thread) with
that sanitizer. GOISH_REPOSITORY is the address that the published metadata links to.
"""

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from glob import glob
from pathlib import Path

COMPILING = {"build", "build_ext", "bdist_wheel", "compiler", "develop", "editable_wheel", "install"}


def try_compiler():
    """Say in one sentence what is missing where its absence would fill the screen."""
    command = words("CC", os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    flags = [flag for name in ("CPPFLAGS", "CFLAGS") for flag in words(name, os.environ.get(name, ""))]
    if not command:
        sys.exit("goish needs a C compiler to build, and CC is blank: it names one, or is not set.")
    flags += [f"-I{sysconfig.get_path(name)}" for name in ("include", "platinclude")]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "try.c")
        source.write_text("#include <Python.h>\n")
        try:
            tried = subprocess.run(
                [*command, *flags, "-c", source, "-o", Path(folder, "try.o")],
                capture_output=True,
                text=True,
                errors="replace",  # it may speak in another encoding than Python's
            )
        except FileNotFoundError:
            sys.exit(f"goish needs a C compiler to build, and {command[0]!r} is not there: install gcc or clang.")
        except OSError as error:
            sys.exit(f"goish needs a C compiler to build, and {command[0]!r} cannot be run: {error.strerror}")
    lines = tried.stderr.splitlines()
    # With a path before it, it was found, and is where an error of another header comes from.
    if tried.returncode and any(re.search(r"(?<![/<\w])Python\.h\b", line) for line in lines):
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        sys.exit(f"goish needs Python's headers to build, and Python.h is not there: install python{version}-dev.")
    if tried.returncode:
        errors = [line for line in lines if "error" in line]  # not: In file included from
        why = next(iter([*errors, *lines]), f"it ends with code {tried.returncode}")
        sys.exit(f"goish needs a C compiler to build, and {command[0]!r} does not compile: {why}")


def tool(name, least):
    """The module, for pip sees to it only where it builds in an environment of its own."""
    try:
        module = importlib.import_module(name)
    except ImportError:
        sys.exit(f"goish needs {name} to build, and it is not there: pip install '{name}>={least}'")
    here = module.__version__
    if numbers(here) < numbers(least):
        sys.exit(f"goish needs {name} {least} or later to build, and {here} is here: pip install -U {name}")
    return module


def numbers(version):
    return [int(number) for number in re.findall(r"\d+", version)]


def words(name, value):
    try:
        return shlex.split(value)
    except ValueError as error:
        sys.exit(f"goish cannot be built with {name}={value}: {error}")


if sys.implementation.name != "cpython":
    sys.exit(f"goish is an extension for CPython, and this is {sys.implementation.name}, which it does not run on.")
if sys.platform in ("win32", "cygwin", "emscripten", "wasi"):
    sys.exit(f"goish runs on Linux and macOS, and not on {sys.platform} (docs/platforms.md says why). WSL is Linux.")
if sys.version_info < (3, 11):  # noqa: UP036 (metadata says so to pip alone)
    sys.exit(f"goish needs CPython 3.11 or later, and this is {sys.version.split()[0]}.")
if sys.version_info < (3, 14) and sysconfig.get_config_var("Py_GIL_DISABLED"):
    sys.exit(f"Without the GIL goish needs CPython 3.14 or later, and this is {sys.version.split()[0]}.")
if COMPILING.intersection(sys.argv):
    try_compiler()
if sys.argv[1:] == ["compiler"]:  # make asks before it installs anything
    sys.exit()

import tomllib

tool("setuptools", "77")
Cython = tool("Cython", "3.3.1")
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel

debug = os.environ.get("GOISH_DEBUG") == "1"
sanitizer = os.environ.get("GOISH_SANITIZE")

compile_args = ["-O0", "-g", "-UNDEBUG"] if debug else ["-O3", "-g1"]
if sys.platform == "linux":
    compile_args.append("-fno-plt")  # a jump less for each call into the interpreter: 2 % of a buffered send
    # Cython marks the ways to errors as unlikely. Taken for never, they are made small, and the core by 4 %.
    # Clang has no such parameter, and would warn of it for each file (with -Werror: fail). GCC passes over that -Wno.
    compile_args += ["--param", "builtin-expect-probability=100", "-Wno-unused-command-line-argument"]
link_args = []
if sanitizer:
    compile_args += [f"-fsanitize={sanitizer}", "-fno-omit-frame-pointer", "-g"]
    link_args += [f"-fsanitize={sanitizer}"]


def described(repository, version, readme):
    """What PyPI shows. Its links lead to the repository, whose address the publisher gives (GOISH_REPOSITORY)."""
    metadata = {"long_description": readme, "long_description_content_type": "text/markdown"}
    if not repository:
        return metadata
    pages = f"{repository}/blob/v{version}"
    metadata["project_urls"] = {
        "Documentation": f"{pages}/docs/index.md",
        "Changelog": f"{pages}/CHANGELOG.md",
        "Issues": f"{repository}/issues",
        "Source": repository,
    }
    metadata["long_description"] = re.sub(r"\]\(((?:docs|examples|[A-Z]+\b)[^):]*)\)", rf"]({pages}/\1)", readme)
    return metadata


class Wheel(bdist_wheel):
    """Is built from nothing, and lists what is in it (PEP 770): all but Cython's own C comes from this repository."""

    def initialize_options(self):
        # Not build/: there may be modules that are none any more, and objects that were compiled with other flags.
        super().initialize_options()
        self._fresh = tempfile.TemporaryDirectory()
        self.distribution.get_option_dict("build").setdefault("build_base", ("setup.py", self._fresh.name))

    def write_wheelfile(self, wheelfile_base, *args, **kwargs):
        super().write_wheelfile(wheelfile_base, *args, **kwargs)
        name, version = self.distribution.get_name(), self.distribution.get_version()
        goish = component(name, version, "MIT", f"pkg:pypi/{name}@{version}")
        cython = component("Cython", Cython.__version__, "Apache-2.0", f"pkg:pypi/cython@{Cython.__version__}")
        sbom = {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {"component": goish},
            "components": [cython],
            "dependencies": [{"ref": goish["bom-ref"], "dependsOn": [cython["bom-ref"]]}],
        }
        path = Path(wheelfile_base, "sboms", f"{name}.cdx.json")
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(sbom, indent=2) + "\n")


def component(name, version, license_id, purl):
    licenses = [{"license": {"id": license_id}}]
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "licenses": licenses, "purl": purl}


core = Extension(
    "goish._runtime.core",
    ["goish/_runtime/core.pyx"],
    depends=[*glob("goish/_runtime/c/*.h"), *glob("goish/_runtime/*/*.p[yx][xd]")],
    include_dirs=["goish/_runtime"],
    define_macros=[("GOISH_DEBUG", "1")] if debug else [("CYTHON_WITHOUT_ASSERTIONS", "1")],
    extra_compile_args=[*compile_args, "-fvisibility=hidden", "-Wno-unused-function"],
    extra_link_args=link_args,
)

# What runs for each HTTP request: Python, compiled with the types that the .pxd files beside it declare. Most of that
# code sees to errors, and is made small: 14 % of it less to download, for 0.7 % more instructions of a request.
http_args = compile_args if debug else [*compile_args, "-O2"]
http = [
    Extension(
        f"goish._http.{name}",
        [f"goish/_http/{name}.py"],
        depends=glob("goish/_http/*.pxd"),
        extra_compile_args=http_args,
        extra_link_args=link_args,
    )
    for name in ("fields", "scan", "head", "parser", "status", "request", "writer", "shared", "connection", "mux")
]
HTTP_DIRECTIVES = {
    "language_level": 3,
    "annotation_typing": False,  # annotations are for type checkers
    "auto_pickle": False,
    "embedsignature": True,
    "embedsignature.format": "clinic",
    "freethreading_compatible": True,
}

extensions = [
    *cythonize([core], force=bool(debug or sanitizer)),
    *cythonize(http, compiler_directives=HTTP_DIRECTIVES, force=bool(debug or sanitizer)),
]
project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
setup(
    **described(os.environ.get("GOISH_REPOSITORY"), project["version"], Path("README.md").read_text(encoding="utf-8")),
    ext_modules=extensions,
    cmdclass={"bdist_wheel": Wheel},
    options={"build_ext": {"parallel": os.cpu_count()}},
)
