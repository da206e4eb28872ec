# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Configures, builds and runs tests/consumer/<WAY> from scratch; of a Debian package, find_package.
# cmake -DWAY= -DWORK= -DLIBRARY= -DLIBRARY_BUILD= -DCOMPILER= -DGENERATOR= -P run.cmake
# and for a Debian package -DCPACK= -DVERSION= -DARCHITECTURE=
cmake_minimum_required(VERSION 3.21)

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})

set(arguments "")
set(consumer ${WAY})
if(WAY MATCHES "^(find_package|torch)$")
  # The tree is moved after the installation, to a folder with a space in its name: the package must not
  # know where it was.
  execute_process(
    COMMAND ${CMAKE_COMMAND} --install ${LIBRARY_BUILD} --prefix ${WORK}/staged
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  file(RENAME ${WORK}/staged "${WORK}/moved here")
  set(arguments "-DCMAKE_PREFIX_PATH=${WORK}/moved here")
elseif(WAY STREQUAL "debian_package")
  set(consumer find_package)
  execute_process(
    COMMAND ${CPACK} -G DEB --config ${LIBRARY_BUILD}/CPackConfig.cmake -B ${WORK}
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  set(package ${WORK}/liblorapro-dev_${VERSION}_${ARCHITECTURE}.deb)
  foreach(field IN ITEMS "Package: liblorapro-dev" "Version: ${VERSION}" "Architecture: ${ARCHITECTURE}"
                         "Depends: libeigen3-dev (>= 3.4)" "Section: libdevel"
                         "Suggests: nlohmann-json3-dev (>= 3), libtorch-dev (>= 1.13), libopenmpi-dev")
    string(REGEX REPLACE ":.*" "" name ${field})
    execute_process(COMMAND dpkg-deb --field ${package} ${name} OUTPUT_VARIABLE value
                            COMMAND_ERROR_IS_FATAL ANY)
    if(NOT "${name}: ${value}" STREQUAL "${field}\n")
      message(FATAL_ERROR "${package}: expected ${field}, got ${name}: ${value}")
    endif()
  endforeach()
  execute_process(COMMAND dpkg -x ${package} ${WORK}/root COMMAND_ERROR_IS_FATAL ANY)
  file(GLOB beside_usr ${WORK}/root/* ${WORK}/root/usr/*)
  list(REMOVE_ITEM beside_usr ${WORK}/root/usr ${WORK}/root/usr/include ${WORK}/root/usr/share)
  set(expected_beside "")
  if(NOT ARCHITECTURE STREQUAL "all")
    # Built with lorapro::compiled, and nothing else that depends on the architecture.
    set(expected_beside ${WORK}/root/usr/lib)
    file(GLOB_RECURSE libraries ${WORK}/root/usr/lib/*)
    if(NOT libraries MATCHES "^[^;]*/liblorapro_compiled\\.a$")
      message(FATAL_ERROR "${package}: expected liblorapro_compiled.a, got ${libraries}")
    endif()
  endif()
  if(NOT beside_usr STREQUAL expected_beside)
    message(FATAL_ERROR "${package}: expected usr/include, usr/share and ${expected_beside}, got ${beside_usr}")
  endif()
  # Documents are in the package's own folder, as Debian wants them.
  set(documents ${WORK}/root/usr/share/doc)
  file(GLOB folders RELATIVE ${documents} ${documents}/*)
  file(GLOB files RELATIVE ${documents}/liblorapro-dev ${documents}/liblorapro-dev/*)
  if(NOT folders STREQUAL "liblorapro-dev" OR NOT files STREQUAL "README.md;changelog.gz;copyright;docs")
    message(FATAL_ERROR "${package}: expected README.md, changelog.gz, copyright and docs in liblorapro-dev, got ${files} in ${folders}")
  endif()
  file(GLOB kept RELATIVE ${documents}/liblorapro-dev ${documents}/liblorapro-dev/docs/*)
  file(GLOB wanted RELATIVE ${LIBRARY} ${LIBRARY}/docs/*.md ${LIBRARY}/docs/*.svg)
  if(NOT kept STREQUAL wanted)
    message(FATAL_ERROR "${package}: expected ${wanted}, got ${kept}")
  endif()
  file(READ ${documents}/liblorapro-dev/copyright copyright)
  if(NOT copyright MATCHES "^Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n.*\nFiles: \\*\nCopyright: 2026 the lorapro authors\nLicense: Expat\n Permission .*\n \\.\n .*\n SOFTWARE\\.\n$")
    message(FATAL_ERROR "${package}: expected a copyright file in Debian's format, got\n${copyright}")
  endif()
  execute_process(COMMAND gzip --decompress --stdout ${documents}/liblorapro-dev/changelog.gz
                  OUTPUT_FILE ${WORK}/changelog COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${CMAKE_COMMAND} -E compare_files ${WORK}/changelog ${LIBRARY}/CHANGELOG.md
                          COMMAND_ERROR_IS_FATAL ANY)
  # Everybody reads, nobody writes or runs; all is root's.
  execute_process(COMMAND dpkg-deb --contents ${package} OUTPUT_VARIABLE contents
                          COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX REPLACE "(drwxr-xr-x|-rw-r--r--) root/root [^\n]*\n" "" others "${contents}")
  if(others)
    message(FATAL_ERROR "${package}: expected files of root that only root writes, got ${others}")
  endif()
  set(arguments -DCMAKE_PREFIX_PATH=${WORK}/root/usr)
elseif(WAY STREQUAL "add_subdirectory")
  set(arguments -DLIBRARY=${LIBRARY})
elseif(WAY STREQUAL "fetch_content")
  set(arguments -DFETCHCONTENT_SOURCE_DIR_LORAPRO=${LIBRARY} -DFETCHCONTENT_FULLY_DISCONNECTED=ON)
endif()

# Release, but not its -O3: that takes a compiler 13 s for main.cpp in place of 5.
execute_process(
  COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${CMAKE_CURRENT_LIST_DIR}/${consumer} -B ${WORK}/build
          -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_BUILD_TYPE=Release
          -DCMAKE_CXX_FLAGS_RELEASE=-DNDEBUG ${arguments}
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK}/build COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${WORK}/build/consumer ${WORK}/adapter COMMAND_ERROR_IS_FATAL ANY)
if(WAY STREQUAL "torch")
  return()
endif()
execute_process(COMMAND ${WORK}/build/consumer_io ${WORK}/weights.safetensors COMMAND_ERROR_IS_FATAL ANY)
if(EXISTS ${WORK}/build/consumer_mpi)
  # A program of one rank needs no launcher.
  set(ENV{OMPI_ALLOW_RUN_AS_ROOT} 1)
  set(ENV{OMPI_ALLOW_RUN_AS_ROOT_CONFIRM} 1)
  execute_process(COMMAND ${WORK}/build/consumer_mpi COMMAND_ERROR_IS_FATAL ANY)
endif()
