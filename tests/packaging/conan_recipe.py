# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

"""The Conan recipe, run with classes in place of Conan's: its version and what it packages.

conan_recipe.py ROOT VERSION WORK
"""

import collections
import glob
import importlib.util
import os
import shutil
import sys
import types

root, version, work = sys.argv[1:]


def copy(_recipe, pattern, src, dst):
    """Copies the files that match, with their folders, as conan.tools.files.copy does."""
    for path in glob.glob(os.path.join(src, pattern.replace("*", "**")), recursive=True):
        if os.path.isfile(path):
            target = os.path.join(dst, os.path.relpath(path, src))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(path, target)


class Info:
    """A cpp_info or one of its components."""

    def __init__(self):
        self.properties = {}
        self.components = collections.defaultdict(Info)
        self.includedirs = ["include"]

    def set_property(self, name, value):
        self.properties[name] = value


def module(name, **members):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(members)


module("conan", ConanFile=object)
module("conan.tools")
module("conan.tools.build", check_min_cppstd=lambda recipe, standard: None)
module("conan.tools.files", copy=copy)

path = os.path.join(root, "packaging", "conan", "conanfile.py")
spec = importlib.util.spec_from_file_location("conanfile", path)
conanfile = importlib.util.module_from_spec(spec)
spec.loader.exec_module(conanfile)


def check(holds, words):
    if not holds:
        sys.exit(f"{path}: {words}")


shutil.rmtree(work, ignore_errors=True)
recipe = conanfile.LoraproConan()
recipe.recipe_folder = os.path.dirname(path)
recipe.export_sources_folder = recipe.source_folder = os.path.join(work, "source")
recipe.package_folder = os.path.join(work, "package")

recipe.set_version()
check(recipe.version == version, f"expected version {version}, got {recipe.version}")
recipe.export_sources()
recipe.package()


def files_below(folder):
    names = glob.glob(os.path.join(folder, "**"), recursive=True)
    return {os.path.relpath(name, folder) for name in names if os.path.isfile(name)}


headers = files_below(os.path.join(root, "include"))
check(len(headers) > 50, "the tree has no headers")
packaged = files_below(os.path.join(recipe.package_folder, "include"))
check(packaged == headers, f"not packaged: {headers ^ packaged}")
check(files_below(os.path.join(recipe.package_folder, "licenses")) == {"LICENSE"}, "no licence")

for with_io in (False, True):
    required = []
    recipe.requires = required.append
    recipe.options = types.SimpleNamespace(with_io=with_io)
    recipe.cpp_info = Info()
    recipe.requirements()
    recipe.package_info()
    names = {reference.split("/")[0] for reference in required}
    check("eigen/[>=3.4 <6]" in required, f"expected Eigen 3.4 and 5, got {required}")
    expected = {"eigen", "nlohmann_json"} if with_io else {"eigen"}
    check(names == expected, f"expected requirements {expected}, got {names}")
    targets = {part.properties["cmake_target_name"] for part in recipe.cpp_info.components.values()}
    expected = {"lorapro::lorapro", "lorapro::io"} if with_io else {"lorapro::lorapro"}
    check(targets == expected, f"expected targets {expected}, got {targets}")
