# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# lorapro_find_eigen(problem): makes Eigen3::Eigen, unless it is there already: of the first Eigen in
# CMake's own search order that is 3.4 or later. Sets `problem` to what is wrong, or to nothing.
#
# A version in find_package would not do. Eigen's own version file answers for one major version (3.4.0)
# or for one minor version (3.4.1, 5.x) alone: 3.4 is never 5.0, and asking for one after the other would
# put this list above the order in which the user wants folders searched. So an impossible version makes
# CMake list what there is, without loading any, and the first that will do is taken.
macro(lorapro_find_eigen lorapro_problem)
  set(${lorapro_problem} "")
  if(NOT TARGET Eigen3::Eigen)
    find_package(Eigen3 9999 EXACT QUIET NO_MODULE)
    if(NOT TARGET Eigen3::Eigen)  # who overrides find_package may have made it
      set(lorapro_too_old "none")
      foreach(lorapro_version lorapro_config IN ZIP_LISTS Eigen3_CONSIDERED_VERSIONS Eigen3_CONSIDERED_CONFIGS)
        get_filename_component(lorapro_config "${lorapro_config}" DIRECTORY)
        if(lorapro_version VERSION_GREATER_EQUAL 3.4)
          set(Eigen3_DIR "${lorapro_config}" CACHE PATH "The folder of Eigen3Config.cmake" FORCE)
          set(Eigen3_DIR "${lorapro_config}")
          find_package(Eigen3 QUIET NO_MODULE)
          break()
        elseif(lorapro_too_old STREQUAL "none")
          set(lorapro_too_old "${lorapro_version} in ${lorapro_config}")
        endif()
      endforeach()
      if(NOT TARGET Eigen3::Eigen)
        set(${lorapro_problem}
            "lorapro: expected Eigen 3.4 or later, found ${lorapro_too_old} (Debian: libeigen3-dev; elsewhere set Eigen3_DIR to the folder of Eigen3Config.cmake, or make a target Eigen3::Eigen)")
      endif()
      unset(lorapro_too_old)
      unset(lorapro_version)
      unset(lorapro_config)
    endif()
  endif()
endmacro()
