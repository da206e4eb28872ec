# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Headers and the CMake package `lorapro`. Nothing installed depends on the architecture.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/lorapro)
set(package_build_dir ${PROJECT_BINARY_DIR}/package)

install(DIRECTORY include/lorapro DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS lorapro EXPORT lorapro-targets)
install(TARGETS lorapro_io EXPORT lorapro-io-targets)
install(TARGETS lorapro_torch EXPORT lorapro-torch-targets)
install(TARGETS lorapro_mpi EXPORT lorapro-mpi-targets)
foreach(export IN ITEMS lorapro-targets lorapro-io-targets lorapro-torch-targets lorapro-mpi-targets)
  install(
    EXPORT ${export}
    NAMESPACE lorapro::
    DESTINATION ${package_dir})
endforeach()

configure_package_config_file(
  cmake/lorapro-config.cmake.in ${package_build_dir}/lorapro-config.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(
  ${package_build_dir}/lorapro-config-version.cmake
  COMPATIBILITY SameMinorVersion
  ARCH_INDEPENDENT)
install(FILES ${package_build_dir}/lorapro-config.cmake
              ${package_build_dir}/lorapro-config-version.cmake DESTINATION ${package_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# For builds without CMake. The file finds the headers from where it is itself.
set(pkg_config_dir ${CMAKE_INSTALL_DATADIR}/pkgconfig)
file(RELATIVE_PATH pkg_config_to_prefix /${pkg_config_dir} /)
string(REGEX REPLACE "/$" "" pkg_config_to_prefix ${pkg_config_to_prefix})
configure_file(cmake/lorapro.pc.in ${package_build_dir}/lorapro.pc @ONLY)
install(FILES ${package_build_dir}/lorapro.pc DESTINATION ${pkg_config_dir})

# A Debian package: cpack -G DEB, in the build folder.
if(PROJECT_IS_TOP_LEVEL)
  # Nothing that is installed has to be built.
  set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
  set(CPACK_GENERATOR DEB)
  set(CPACK_PACKAGE_CONTACT "the lorapro authors")
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
  set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
  set(CPACK_DEBIAN_PACKAGE_NAME liblorapro-dev)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE all)
  set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
  set(CPACK_DEBIAN_PACKAGE_DEPENDS "libeigen3-dev (>= 3.4)")
  set(CPACK_DEBIAN_PACKAGE_SUGGESTS
      "nlohmann-json3-dev (>= 3), libtorch-dev (>= 1.13), libopenmpi-dev")
  set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
      "Optimizers that make LoRA fine-tuning step along the full gradient as
closely as its rank allows, as C++17 templates. Reading and writing files
(lorapro/io) needs nlohmann-json besides, training in libtorch
(lorapro/adapters/torch.hpp) libtorch, data-parallel training
(lorapro/adapters/mpi.hpp) an MPI library.")
  include(CPack)
endif()
