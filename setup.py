"""The extension module; everything else about the package stands in pyproject.toml.

GOISH_DEBUG=1 builds with invariant checks and without optimisation, GOISH_SANITIZE=address (undefined, thread) with
that sanitizer.
"""

import os
import sys
from glob import glob
from shutil import which

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

debug = os.environ.get("GOISH_DEBUG") == "1"
sanitizer = os.environ.get("GOISH_SANITIZE")

compile_args = ["-O0", "-g", "-UNDEBUG"] if debug else ["-O3", "-g1"]
if sys.platform == "linux":
    compile_args.append("-fno-plt")  # a jump less for each call into the interpreter: 2 % of a buffered send
link_args = []
if sanitizer:
    compile_args += [f"-fsanitize={sanitizer}", "-fno-omit-frame-pointer", "-g"]
    link_args += [f"-fsanitize={sanitizer}"]


class BuildWithCompiler(build_ext):
    """Says in one sentence what is missing where the absence of a compiler would fill the screen."""

    def build_extension(self, ext):
        compiler = getattr(self.compiler, "compiler", ["cc"])[0]
        if self.compiler.compiler_type == "unix" and which(compiler) is None:
            sys.exit(f"goish needs a C compiler to build, and {compiler!r} is not there: install gcc or clang.")
        super().build_extension(ext)


core = Extension(
    "goish._runtime.core",
    ["goish/_runtime/core.pyx"],
    depends=[*glob("goish/_runtime/c/*.h"), *glob("goish/_runtime/*/*.p[yx][xd]")],
    include_dirs=["goish/_runtime"],
    define_macros=[("GOISH_DEBUG", "1")] if debug else [("CYTHON_WITHOUT_ASSERTIONS", "1")],
    extra_compile_args=[*compile_args, "-fvisibility=hidden", "-Wno-unused-function"],
    extra_link_args=link_args,
)

setup(ext_modules=cythonize([core], force=bool(debug or sanitizer)), cmdclass={"build_ext": BuildWithCompiler})
