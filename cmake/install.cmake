# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Headers and the CMake package `lorapro`. Nothing installed depends on the architecture but the library
# lorapro::compiled, where it is built.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/lorapro)
set(package_build_dir ${PROJECT_BINARY_DIR}/package)

# Without LORAPRO_INSTALL a parent's installation has nothing of lorapro, but its own libraries can be
# exported: CMake wants to know under which name they will find this one.
set(unless_wanted "")
if(NOT LORAPRO_INSTALL)
  set(unless_wanted EXCLUDE_FROM_ALL)
endif()

install(DIRECTORY include/lorapro DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} ${unless_wanted})
install(TARGETS lorapro EXPORT lorapro-targets)
install(TARGETS lorapro_io EXPORT lorapro-io-targets)
install(TARGETS lorapro_torch EXPORT lorapro-torch-targets)
install(TARGETS lorapro_mpi EXPORT lorapro-mpi-targets)
set(exports lorapro-targets lorapro-io-targets lorapro-torch-targets lorapro-mpi-targets)
if(TARGET lorapro_compiled)
  install(TARGETS lorapro_compiled EXPORT lorapro-compiled-targets ${unless_wanted}
          DESTINATION ${CMAKE_INSTALL_LIBDIR})
  list(APPEND exports lorapro-compiled-targets)
endif()
foreach(export IN LISTS exports)
  install(
    EXPORT ${export}
    NAMESPACE lorapro::
    DESTINATION ${package_dir} ${unless_wanted})
  export(
    EXPORT ${export}
    NAMESPACE lorapro::
    FILE ${package_build_dir}/${export}.cmake)
endforeach()

# The build tree is a package as well: lorapro_DIR is its folder `package`.
configure_package_config_file(
  cmake/lorapro-config.cmake.in ${package_build_dir}/lorapro-config.cmake
  INSTALL_DESTINATION ${package_dir})
configure_file(cmake/lorapro-eigen.cmake ${package_build_dir}/lorapro-eigen.cmake COPYONLY)
write_basic_package_version_file(
  ${package_build_dir}/lorapro-config-version.cmake
  COMPATIBILITY SameMinorVersion
  ARCH_INDEPENDENT)
install(FILES ${package_build_dir}/lorapro-config.cmake
              ${package_build_dir}/lorapro-config-version.cmake
              ${package_build_dir}/lorapro-eigen.cmake DESTINATION ${package_dir} ${unless_wanted})
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} ${unless_wanted})
install(
  DIRECTORY docs
  DESTINATION ${CMAKE_INSTALL_DOCDIR} ${unless_wanted}
  FILES_MATCHING
  PATTERN "*.md"
  PATTERN "*.svg")

# For builds without CMake. The file finds the headers from where it is itself.
set(pkg_config_dir ${CMAKE_INSTALL_DATADIR}/pkgconfig)
file(RELATIVE_PATH pkg_config_to_prefix /${pkg_config_dir} /)
string(REGEX REPLACE "/$" "" pkg_config_to_prefix ${pkg_config_to_prefix})
configure_file(cmake/lorapro.pc.in ${package_build_dir}/lorapro.pc @ONLY)
install(FILES ${package_build_dir}/lorapro.pc DESTINATION ${pkg_config_dir} ${unless_wanted})

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
  if(NOT TARGET lorapro_compiled)
    set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE all)
  endif()
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
  # Debian wants documents in a folder of the package's own name, by names of its own.
  configure_file(cmake/debian_documents.cmake.in ${package_build_dir}/debian_documents.cmake @ONLY)
  set(CPACK_PRE_BUILD_SCRIPTS ${package_build_dir}/debian_documents.cmake)
  include(CPack)
endif()
