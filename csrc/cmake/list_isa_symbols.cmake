# Writes OUTPUT: one line "<level> <object> <type> <mangled name>" for each symbol that the objects
# listed in OBJECTS (lines "<level> <path>") define for other objects.
file(STRINGS ${OBJECTS} objects)
set(lines "")
foreach(entry IN LISTS objects)
  string(FIND "${entry}" " " space)
  string(SUBSTRING "${entry}" 0 ${space} level)
  math(EXPR start "${space} + 1")
  string(SUBSTRING "${entry}" ${start} -1 path)
  get_filename_component(name ${path} NAME)
  execute_process(COMMAND ${NM} --defined-only --extern-only --format=posix ${path}
    OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+" symbols "${symbols}")
  foreach(symbol IN LISTS symbols)
    string(REGEX MATCH "^([^ ]+) ([^ ])" _ "${symbol}")
    string(APPEND lines "${level} ${name} ${CMAKE_MATCH_2} ${CMAKE_MATCH_1}\n")
  endforeach()
endforeach()
file(WRITE ${OUTPUT} "${lines}")
