# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

"""Recipe for Conan 2 of the tree that it is part of: conan create packaging/conan"""

import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy

required_conan_version = ">=2.0"


class LoraproConan(ConanFile):
    name = "lorapro"
    description = "Low-rank adapters trained with LoRA-Pro, header-only on Eigen"
    license = "MIT"
    topics = ("lora", "fine-tuning", "optimizer", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"with_io": [True, False]}
    default_options = {"with_io": False}
    no_copy_source = True

    @property
    def _tree(self):
        return os.path.join(self.recipe_folder, os.pardir, os.pardir)

    def set_version(self):
        header = os.path.join(self._tree, "include", "lorapro", "version.hpp")
        with open(header, encoding="utf-8") as file:
            parts = dict(re.findall(r"LORAPRO_VERSION_(MAJOR|MINOR|PATCH) +(\d+)", file.read()))
        self.version = ".".join(parts[part] for part in ("MAJOR", "MINOR", "PATCH"))

    def export_sources(self):
        for pattern in ("include/*", "LICENSE"):
            copy(self, pattern, src=self._tree, dst=self.export_sources_folder)

    def requirements(self):
        self.requires("eigen/[>=3.4 <6]")
        if self.options.with_io:
            self.requires("nlohmann_json/[>=3 <4]")

    def validate(self):
        check_min_cppstd(self, 17)

    def package_id(self):
        self.info.clear()

    def package(self):
        copy(self, "LICENSE", src=self.source_folder,
             dst=os.path.join(self.package_folder, "licenses"))
        copy(self, "include/*", src=self.source_folder, dst=self.package_folder)

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "lorapro")
        self.cpp_info.set_property("pkg_config_name", "lorapro")
        core = self.cpp_info.components["core"]
        core.set_property("cmake_target_name", "lorapro::lorapro")
        core.requires = ["eigen::eigen"]
        core.bindirs = core.libdirs = []
        if self.options.with_io:
            io = self.cpp_info.components["io"]
            io.set_property("cmake_target_name", "lorapro::io")
            io.requires = ["core", "nlohmann_json::nlohmann_json"]
            io.includedirs = io.bindirs = io.libdirs = []
