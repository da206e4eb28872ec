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
foreach(export IN ITEMS lorapro-targets lorapro-io-targets)
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
