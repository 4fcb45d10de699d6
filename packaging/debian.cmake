# The Debian package: `cmake --preset package && cmake --build --preset package && cpack --preset package`.
#
# One package with library, headers and command, for a machine that shall run programs under Ashlar; not the
# three of a distribution's archive.

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME ashlar)
set(CPACK_PACKAGE_VENDOR "Ashlar")
set(CPACK_PACKAGE_CONTACT "The Ashlar maintainers <ashlar@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "malloc replacement that returns memory with the load")
set(CPACK_PACKAGE_DESCRIPTION
"Ashlar replaces malloc in unchanged programs, by LD_PRELOAD or linked in.
It aims at little time and little memory at once: freed memory goes back
to the system with the load, no thread owns memory that others can't
reuse, and one report says where every resident byte is.
.
This package holds the library, the ashlar command that runs a program
under it, headers, archives, and the version for use beside the process's
malloc.")
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/debian/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_BINARY_DIR}/debian/triggers)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# What Debian wants in every package. Not part of an installation elsewhere.
set(doc_dir ${CMAKE_CURRENT_BINARY_DIR}/debian)
configure_file(changelog.in ${doc_dir}/changelog @ONLY)
configure_file(copyright.in ${doc_dir}/copyright @ONLY)
configure_file(debian_files.cmake.in ${doc_dir}/debian_files.cmake @ONLY)
set(CPACK_PRE_BUILD_SCRIPTS ${doc_dir}/debian_files.cmake)
include(CPack)
