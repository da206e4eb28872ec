# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# The Eigen of this build: the parent's target, or one that is found, or one that the parent makes later.
include(${CMAKE_CURRENT_LIST_DIR}/lorapro-eigen.cmake)

# Called at the end of the outermost project: a target that it has made by then is used by everything
# else in it, and two Eigens in one program would not be one program.
function(lorapro_settle_eigen problem)
  if(TARGET Eigen3::Eigen)
    # Linked from here, the name means what it means here.
    set_property(TARGET lorapro PROPERTY INTERFACE_LINK_LIBRARIES)
    target_link_libraries(lorapro INTERFACE $<1:Eigen3::Eigen>)
  elseif(problem)
    message(FATAL_ERROR "${problem}")
  endif()
endfunction()

if(NOT TARGET Eigen3::Eigen)
  lorapro_find_eigen(lorapro_eigen_problem)
  if(NOT PROJECT_IS_TOP_LEVEL)
    cmake_language(
      EVAL CODE "cmake_language(DEFER DIRECTORY [[${CMAKE_SOURCE_DIR}]]
                                CALL lorapro_settle_eigen [[${lorapro_eigen_problem}]])")
  elseif(lorapro_eigen_problem)
    message(FATAL_ERROR "${lorapro_eigen_problem}")
  endif()
endif()
