# The rooms of the core and what each may see.
#
# A room is compiled with the include directories of the rooms before it, alone: including a later
# room does not compile. For that, each room gets a directory of its own in the build tree that
# holds one symbolic link, so that `#include "page/buddy.h"` works only where `page` is allowed.

set(ASHLAR_ROOM_ORDER base os page slab cache heap stats debug)

add_library(ashlar_options INTERFACE)
target_compile_options(ashlar_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -fno-strict-aliasing
  $<$<BOOL:${ASHLAR_WERROR}>:-Werror>)
if(ASHLAR_SANITIZE)
  target_compile_options(ashlar_options INTERFACE -fsanitize=${ASHLAR_SANITIZE} -fno-omit-frame-pointer
    $<$<STREQUAL:${ASHLAR_SANITIZE},undefined>:-fno-sanitize-recover=all>
    # gcc warns that fences are not modelled; ours stand where the other side issues a membarrier.
    $<$<AND:$<STREQUAL:${ASHLAR_SANITIZE},thread>,$<CXX_COMPILER_ID:GNU>>:-Wno-tsan>)
  target_link_options(ashlar_options INTERFACE -fsanitize=${ASHLAR_SANITIZE})
endif()
if(ASHLAR_FUZZ)
  target_compile_options(ashlar_options INTERFACE -fsanitize=undefined -fno-sanitize-recover=all)
  target_link_options(ashlar_options INTERFACE -fsanitize=undefined)
endif()

# What only the core is compiled with: no run-time library, hidden names, thread-local storage that
# needs no call, and no idea of its own what malloc does.
add_library(ashlar_core_options INTERFACE)
target_link_libraries(ashlar_core_options INTERFACE ashlar_options)
target_compile_options(ashlar_core_options INTERFACE
  $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>
  -fno-exceptions -fno-rtti -fno-threadsafe-statics -fvisibility=hidden -fvisibility-inlines-hidden
  -ftls-model=initial-exec -fno-plt -fPIC -fno-asynchronous-unwind-tables
  -fno-builtin-malloc -fno-builtin-free -fno-builtin-calloc -fno-builtin-realloc
  -fno-builtin-aligned_alloc -fno-builtin-posix_memalign -fno-builtin-memalign)
target_compile_definitions(ashlar_core_options INTERFACE
  $<$<BOOL:${ASHLAR_INVARIANTS}>:ASHLAR_INVARIANTS=1>
  ASHLAR_DEFAULT_CONF="${ASHLAR_DEFAULT_CONF}"
  ASHLAR_VERSION="${PROJECT_VERSION}")
if(ASHLAR_FUZZ)  # libFuzzer steers by what the core does, not by what the tests' models do
  target_compile_options(ashlar_core_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# ashlar_rooms_up_to(ROOM OUT): ROOM and those before it, bottom up, as a list in the variable OUT.
function(ashlar_rooms_up_to ROOM OUT)
  list(FIND ASHLAR_ROOM_ORDER ${ROOM} place)
  if(place LESS 0)
    message(FATAL_ERROR "there is no room ${ROOM}; there are ${ASHLAR_ROOM_ORDER}")
  endif()
  math(EXPR count "${place} + 1")
  list(SUBLIST ASHLAR_ROOM_ORDER 0 ${count} rooms)
  set(${OUT} ${rooms} PARENT_SCOPE)
endfunction()

# ashlar_room(NAME SOURCES...): an object library of the room, and `ashlar_see_NAME`, an interface
# library with the include directories of the room and of those before it.
function(ashlar_room NAME)
  set(see_dir ${CMAKE_BINARY_DIR}/rooms/${NAME})
  file(MAKE_DIRECTORY ${see_dir})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/src/${NAME} ${see_dir}/${NAME} SYMBOLIC)
  add_library(ashlar_see_${NAME} INTERFACE)
  target_include_directories(ashlar_see_${NAME} INTERFACE ${see_dir})
  list(FIND ASHLAR_ROOM_ORDER ${NAME} place)
  if(place GREATER 0)
    math(EXPR before "${place} - 1")
    list(GET ASHLAR_ROOM_ORDER ${before} room_before)
    target_link_libraries(ashlar_see_${NAME} INTERFACE ashlar_see_${room_before})
  else()
    target_include_directories(ashlar_see_${NAME} INTERFACE ${CMAKE_SOURCE_DIR}/include)
  endif()
  add_library(ashlar_${NAME} OBJECT ${ARGN})
  target_link_libraries(ashlar_${NAME} PUBLIC ashlar_see_${NAME} PRIVATE ashlar_core_options)
endfunction()

# ashlar_room_beside(NAME SOURCES...): the room once more, for the libraries that work beside the process's
# malloc: `ashlar_NAME_beside`. Only rooms that see thread caches differ (src/cache/own_cache.h); for the
# others the name is another one for the room itself.
function(ashlar_room_beside NAME)
  if(NOT ARGN)
    add_library(ashlar_${NAME}_beside ALIAS ashlar_${NAME})
    return()
  endif()
  add_library(ashlar_${NAME}_beside OBJECT ${ARGN})
  target_link_libraries(ashlar_${NAME}_beside PUBLIC ashlar_see_${NAME} PRIVATE ashlar_core_options)
  target_compile_definitions(ashlar_${NAME}_beside PUBLIC ASHLAR_CACHE_POINTER=1)
endfunction()
