# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
include_guard()

# lorapro_batches(<variable> <target> <most> <files>): source files that each include at most <most> of
# <files>, by their path from this folder, which must be an include directory of the target. CMake's own
# unity builds name files by absolute paths, which no other copy of the tree shares, and with them no
# entry of a compiler's cache.
function(lorapro_batches variable target most files)
  list(LENGTH files count)
  if(most LESS_EQUAL 1 OR count EQUAL 1)
    set(${variable} ${files} PARENT_SCOPE)
    return()
  endif()
  math(EXPR batches "(${count} + ${most} - 1) / ${most}")
  math(EXPR size "(${count} + ${batches} - 1) / ${batches}")
  set(sources "")
  foreach(batch RANGE 1 ${batches})
    set(text "")
    math(EXPR first "(${batch} - 1) * ${size}")
    list(SUBLIST files ${first} ${size} some)
    foreach(file IN LISTS some)
      string(APPEND text "#include \"${file}\"\n")
    endforeach()
    set(source ${CMAKE_CURRENT_BINARY_DIR}/batches/${target}_${batch}.cpp)
    file(CONFIGURE OUTPUT ${source} CONTENT "${text}" @ONLY)
    list(APPEND sources ${source})
  endforeach()
  set(${variable} ${sources} PARENT_SCOPE)
endfunction()
