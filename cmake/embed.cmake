# SPDX-License-Identifier: MIT
# Writes ${OUT}, a C file with the text of every ${DIR}/*.ini; the first line of each, after "# ", is its summary.

file(GLOB files ${DIR}/*.ini)
list(SORT files COMPARE NATURAL)
set(rows "")
set(count 0)
foreach(file IN LISTS files)
  get_filename_component(name "${file}" NAME_WE)
  file(READ "${file}" text)
  if(NOT text MATCHES "^# ([^\r\n]+)\n")
    message(FATAL_ERROR "${file}: the first line must be '# ' and a summary")
  endif()
  set(summary "${CMAKE_MATCH_1}")
  foreach(part summary text)
    string(REPLACE "\\" "\\\\" ${part} "${${part}}")
    string(REPLACE "\"" "\\\"" ${part} "${${part}}")
    string(REPLACE "\n" "\\n\"\n     \"" ${part} "${${part}}")
  endforeach()
  string(APPEND rows "    {\"${name}\", \"${summary}\",\n     \"${text}\"},\n")
  math(EXPR count "${count} + 1")
endforeach()
if(count EQUAL 0)
  message(FATAL_ERROR "no presets in ${DIR}")
endif()
file(WRITE "${OUT}" "/* Generated from configs/ by cmake/embed.cmake. */
#include \"config/internal.h\"

const rin_embedded_preset rin_embedded_presets[] = {
${rows}};
const size_t rin_n_embedded_presets = ${count};
")
