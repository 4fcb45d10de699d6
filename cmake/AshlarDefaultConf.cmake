# ASHLAR_DEFAULT_CONF, looked at before it is compiled into the library: options that it would complain about in
# every process stop the build, in the same words. Not when cross-compiling, where the parser can't run here.

if(ASHLAR_DEFAULT_CONF MATCHES "[;\"\\]")
  message(FATAL_ERROR "ASHLAR_DEFAULT_CONF is \"${ASHLAR_DEFAULT_CONF}\"; "
    "it is of the form key:value,key:value, without quotes, backslashes and semicolons (docs/options.md)")
endif()
if(NOT ASHLAR_DEFAULT_CONF OR CMAKE_CROSSCOMPILING OR ASHLAR_FUZZ)
  return()
endif()

add_executable(ashlar_check_default_conf ${CMAKE_CURRENT_LIST_DIR}/check_default_conf.cc $<TARGET_OBJECTS:ashlar_base>)
target_link_libraries(ashlar_check_default_conf PRIVATE ashlar_options ashlar_see_base)
set_target_properties(ashlar_check_default_conf PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/checks)
set(checked ${CMAKE_BINARY_DIR}/checks/default_conf)
add_custom_command(OUTPUT ${checked}
  COMMAND ashlar_check_default_conf "${ASHLAR_DEFAULT_CONF}"
  COMMAND ${CMAKE_COMMAND} -E touch ${checked}
  DEPENDS ashlar_check_default_conf COMMENT "Checking ASHLAR_DEFAULT_CONF" VERBATIM)
add_custom_target(ashlar_default_conf DEPENDS ${checked})
# heap/init.cc has the text: no library without it.
add_dependencies(ashlar_heap ashlar_default_conf)
add_dependencies(ashlar_heap_beside ashlar_default_conf)
