# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
separate_arguments(command UNIX_COMMAND "${COMPILE} -fsyntax-only ${UNIT}")
execute_process(COMMAND ${command} RESULT_VARIABLE result ERROR_VARIABLE text)
if(result EQUAL 0)
  message(FATAL_ERROR "expected an error, got none")
endif()
string(REGEX MATCHALL "error: [^\n]*" errors "${text}")
list(LENGTH errors count)
list(GET errors 0 first)
if(NOT first MATCHES "lorapro reports errors by exceptions: compile without -fno-exceptions"
   OR count GREATER 2)
  message(FATAL_ERROR "expected one sentence, got\n${text}")
endif()
