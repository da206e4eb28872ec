# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# How tests start programs on several ranks of this machine, which may be a container, have fewer
# cores than ranks, and be root's. Settings of Open MPI that others ignore; PRTE's are of its version 5.
set(lorapro_mpi_environment
    OMPI_ALLOW_RUN_AS_ROOT=1
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    OMPI_MCA_rmaps_base_oversubscribe=1
    OMPI_MCA_hwloc_base_binding_policy=none
    PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
    PRTE_MCA_hwloc_default_binding_policy=none
    OMPI_MCA_mpi_yield_when_idle=1
    OMPI_MCA_btl=self,vader
    OMPI_MCA_btl_vader_single_copy_mechanism=none
    OMP_NUM_THREADS=1)

# lorapro_mpi_launch(variable ranks): the beginning of a command line.
function(lorapro_mpi_launch variable ranks)
  set(flags "")
  if(MPI_CXX_LIBRARY_VERSION_STRING MATCHES "Open MPI" OR MPIEXEC_EXECUTABLE MATCHES "openmpi|orte")
    set(flags --allow-run-as-root --oversubscribe)
  endif()
  set(${variable} ${MPIEXEC_EXECUTABLE} ${flags} ${MPIEXEC_NUMPROC_FLAG} ${ranks} PARENT_SCOPE)
endfunction()

# lorapro_add_mpi_test(name label ranks target arguments...)
function(lorapro_add_mpi_test name label ranks target)
  lorapro_mpi_launch(launch ${ranks})
  set(test "${LORAPRO_TEST_PREFIX}${name}")
  add_test(NAME "${test}" COMMAND ${launch} $<TARGET_FILE:${target}> ${ARGN})
  set_tests_properties(
    "${test}" PROPERTIES LABELS ${label} TIMEOUT 300 PROCESSORS ${ranks} SKIP_RETURN_CODE 77
                         ENVIRONMENT "${lorapro_mpi_environment}")
endfunction()
