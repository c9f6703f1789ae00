# SPDX-License-Identifier: MIT
# Fuzz targets, tests/fuzz/<name>_fuzz.c. With RIN_FUZZ they are libFuzzer programs, fuzz_<name>; give RIN_SANITIZE too
# (tests/fuzz/run.sh does). Otherwise every build of the tests replays tests/fuzz/corpus/<name>.
option(RIN_FUZZ "Build the fuzz targets with libFuzzer (clang)" OFF)
if(RIN_FUZZ AND NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "RIN_FUZZ needs clang, not ${CMAKE_C_COMPILER_ID}: add -DCMAKE_C_COMPILER=clang")
endif()
if(RIN_FUZZ)
  target_compile_options(rin_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(rin_flags INTERFACE -fsanitize=fuzzer-no-link)
  # Clang takes minutes for an instrumented kernel that it optimises fully.
  foreach(variant ${RIN_VARIANTS})
    target_compile_options(${variant} PRIVATE -O1)
  endforeach()
endif()

# Readers of files have one thread.
if(RIN_FUZZ OR (RIN_TESTS AND NOT RIN_SANITIZE MATCHES thread))
  file(GLOB RIN_FUZZ_TARGETS CONFIGURE_DEPENDS tests/fuzz/*_fuzz.c)
  foreach(source ${RIN_FUZZ_TARGETS})
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "_fuzz$" "" name ${name})
    add_executable(fuzz_${name} ${source} tests/fuzz/fuzz.c)
    target_include_directories(fuzz_${name} PRIVATE tests)
    target_link_libraries(fuzz_${name} PRIVATE rin_flags rin_static)
    if(RIN_FUZZ)
      target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    else()
      target_sources(fuzz_${name} PRIVATE tests/fuzz/replay.c)
      add_test(NAME fuzz/${name} COMMAND fuzz_${name} tests/fuzz/corpus/${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    endif()
  endforeach()

  # The command line is fuzzed as the program has it, without its main and without what it says.
  set(RIN_CLI_PARTS ${RIN_CLI})
  list(FILTER RIN_CLI_PARTS EXCLUDE REGEX "/main.c$")
  target_sources(fuzz_set PRIVATE ${RIN_CLI_PARTS})
  target_link_options(fuzz_set PRIVATE -Wl,--wrap=write)
endif()
