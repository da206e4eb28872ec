# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Drives the program adapter_tool from one form of an adapter to the next and back.
# cmake -DTOOL= -DFIXTURES= -DWORK= -P adapter_tool.cmake
cmake_minimum_required(VERSION 3.21)

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
set(peft ${FIXTURES}/peft)
set(base ${FIXTURES}/base)
set(config ${base}/config.json)

# run(code arguments...): the tool ends with this exit code; `output` is what it printed.
function(run code)
  execute_process(
    COMMAND ${TOOL} ${ARGN}
    RESULT_VARIABLE came
    OUTPUT_VARIABLE out
    ERROR_VARIABLE error)
  if(NOT came STREQUAL code)
    message(FATAL_ERROR "adapter_tool ${ARGN}: expected exit code ${code}, got ${came}\n${out}${error}")
  endif()
  set(output "${out}${error}" PARENT_SCOPE)
endfunction()

function(expect text)
  string(FIND "${output}" "${text}" position)
  if(position EQUAL -1)
    message(FATAL_ERROR "expected \"${text}\" in\n${output}")
  endif()
endfunction()

function(expect_same first second)
  file(SHA256 ${first} first_hash)
  file(SHA256 ${second} second_hash)
  if(NOT first_hash STREQUAL second_hash)
    message(FATAL_ERROR "expected the same bytes in ${first} and ${second}")
  endif()
endfunction()

# expect_json(value path...): of the output.
function(expect_json value)
  string(JSON came GET "${output}" ${ARGN})
  if(NOT came STREQUAL value)
    message(FATAL_ERROR "expected ${value} at ${ARGN}, got ${came}")
  endif()
endfunction()

run(0 --help)
expect("Exit codes:")

run(0 validate ${peft} --base ${config})
expect("valid, 3 modules")
run(0 inspect ${peft})
expect("3 modules, 150 parameters")
expect("model.layers.0.self_attn.q_proj")
run(0 inspect ${peft} --json --top 2)
expect_json(peft format)
expect_json(150 parameters)
expect_json(model.layers.0.mlp.down_proj modules 0 path)
expect_json(1 modules 0 rank)
expect_json(8.0 modules 0 scaling)
expect_json(4 modules 1 rank)
expect_json(4.0 modules 1 scaling)
string(JSON values LENGTH "${output}" modules 1 singular_values)
if(NOT values EQUAL 2)
  message(FATAL_ERROR "expected 2 singular values, got ${values}")
endif()

foreach(type IN ITEMS f32 f16 bf16)
  run(0 to-gguf ${peft} ${WORK}/${type}.gguf --base ${config} --type ${type} --name test)
  run(0 validate ${WORK}/${type}.gguf)
  run(0 inspect ${WORK}/${type}.gguf --json)
  expect_json(gguf format)
  expect_json(blk.0.attn_k.weight modules 0 path)
  run(0 to-peft ${WORK}/${type}.gguf ${WORK}/${type} --base ${config})
  run(0 validate ${WORK}/${type})
  run(0 diff ${peft} ${WORK}/${type})
  run(0 diff ${peft} ${WORK}/${type}.gguf --base ${config} --json)
  expect("\"differences\": []")
endforeach()

run(0 to-peft ${peft} ${WORK}/copy)
foreach(name IN ITEMS adapter_config.json adapter_model.safetensors)
  expect_same(${peft}/${name} ${WORK}/copy/${name})
endforeach()

run(0 merge ${base} ${peft} ${WORK}/merged)
expect("3 tensors merged, 0 replaced, 1 copied")
run(0 unmerge ${WORK}/merged ${peft} ${WORK}/unmerged)
expect_same(${base}/model.safetensors ${WORK}/unmerged/model.safetensors)

# What differs, and what is wrong.
run(0 to-peft ${peft} ${WORK}/zero --initial ${peft})
run(3 diff ${peft} ${WORK}/zero)
expect("model.layers.0.self_attn.q_proj: s B A differs by 1 of its norm")
run(0 diff ${peft} ${WORK}/zero --tolerance 2)
run(3 diff ${peft} ${WORK}/f32.gguf)
expect("only in the second")

file(COPY ${peft} DESTINATION ${WORK}/broken)
file(READ ${peft}/adapter_config.json text)
string(REPLACE "\"use_dora\": false" "\"use_dora\": true" text "${text}")
file(WRITE ${WORK}/broken/peft/adapter_config.json "${text}")
run(1 validate ${WORK}/broken/peft)
expect("use_dora: expected none, as it is not supported, got true")
run(1 validate ${config})
expect("magic: expected GGUF")
run(1 inspect ${WORK}/none)
run(1 to-gguf ${peft} ${WORK}/bad.gguf --base ${peft}/adapter_config.json)
expect("architectures: expected one name")
run(2 to-gguf ${peft} ${WORK}/bad.gguf)
run(2 to-gguf ${peft} ${WORK}/bad.gguf --base ${config} --type q8_0)
run(2 to-peft ${WORK}/f32.gguf ${WORK}/bad)
expect("--base")
run(2 merge ${base} ${peft} ${base})
expect("out: expected another place than the base's")
run(2)
run(2 nonsense)
if(EXISTS ${WORK}/bad.gguf OR EXISTS ${WORK}/bad)
  message(FATAL_ERROR "expected no file from a command that failed")
endif()
