#[=[
Finds nstk for `find_package(nstk CONFIG REQUIRED)` and defines a function that builds surrogates with the project:

  nstk_add_surrogate(<target>
    SOURCE <file>           C file with the function
    FUNCTION <name>         which function
    [OPTIONS <option>...]   of `nstk build`: --tolerance 1% --target cortex-m0plus ...
    [DEPENDS <file>...])    what else decides the result: headers that SOURCE includes, pairs, ...

<target> is an INTERFACE library: who links to it can include <function>_surrogate.h and <function>_selftest.h. The
surrogate is built before them, and again when SOURCE, DEPENDS, OPTIONS or nstk change. A missed tolerance fails the
build. Report and package lie in nstk/<target>/<function> below the current binary folder. Relative paths are relative to
the current source folder. NSTK_EXECUTABLE names the command where it is not on the PATH.
]=]
cmake_minimum_required(VERSION 3.20)

find_program(NSTK_EXECUTABLE nstk NO_CMAKE_FIND_ROOT_PATH DOC "The nstk command")
if(NOT NSTK_EXECUTABLE)
  set(nstk_FOUND FALSE)
  set(nstk_NOT_FOUND_MESSAGE "nstk is not on the PATH: set NSTK_EXECUTABLE")
  return()
endif()

function(nstk_add_surrogate target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "SOURCE;FUNCTION" "OPTIONS;DEPENDS")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCE OR NOT arg_FUNCTION)
    message(FATAL_ERROR "nstk_add_surrogate(<target> SOURCE <file> FUNCTION <name> [OPTIONS ...] [DEPENDS ...])")
  endif()
  string(LENGTH "${arg_FUNCTION}" length)
  if(NOT arg_FUNCTION MATCHES "^[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?$" OR length GREATER 31)
    message(FATAL_ERROR "nstk_add_surrogate: the header of '${arg_FUNCTION}' gets another name; rename the function")
  endif()

  set(out ${CMAKE_CURRENT_BINARY_DIR}/nstk/${target})
  set(include ${out}/${arg_FUNCTION}/package/src)
  set(headers ${include}/${arg_FUNCTION}_surrogate.h ${include}/${arg_FUNCTION}_selftest.h)
  # nstk leaves a result as it is when nothing has changed that decides it; the stamp tells that it was asked.
  set(stamp ${out}/${arg_FUNCTION}.stamp)
  # Make, unlike Ninja, does not look at the command itself.
  file(CONFIGURE OUTPUT ${out}.options CONTENT "${arg_OPTIONS}\n" @ONLY)
  # A compiler that $CC names for the target cannot build what nstk runs here.
  set(environment "")
  if(CMAKE_CROSSCOMPILING)
    set(environment ${CMAKE_COMMAND} -E env --unset=CC)
  endif()
  cmake_path(ABSOLUTE_PATH arg_SOURCE)
  add_custom_command(
    OUTPUT ${stamp}
    BYPRODUCTS ${headers}
    COMMAND ${environment} ${NSTK_EXECUTABLE} build ${arg_SOURCE} --function ${arg_FUNCTION} ${arg_OPTIONS} --out ${out}
    COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
    DEPENDS ${arg_SOURCE} ${arg_DEPENDS} ${out}.options ${NSTK_EXECUTABLE}
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
    COMMENT "Building the surrogate of ${arg_FUNCTION}"
    VERBATIM)
  add_custom_target(${target}_files DEPENDS ${stamp})
  add_library(${target} INTERFACE)
  target_include_directories(${target} INTERFACE ${include})
  add_dependencies(${target} ${target}_files)
endfunction()
