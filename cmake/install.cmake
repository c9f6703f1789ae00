# SPDX-License-Identifier: MIT
# What `cmake --install` puts where: program, libraries, header, and what pkg-config and find_package need. Both of these
# find the files relative to themselves, so that an installed tree can be moved.
include(CMakePackageConfigHelpers)

# What a program needs besides librin.a. The direct libraries alone, by -l: the static closure that pkg-config would
# derive names packages that the distributions do not pull in.
string(REGEX REPLACE "(^|;)([a-z+]+)" "\\1-l\\2" RIN_CUDA_LDFLAGS "${RIN_CUDA_LIBRARIES}")
set(RIN_STATIC_LIBS ${RIN_DEPS_LDFLAGS} ${RIN_FFMPEG_LDFLAGS} ${RIN_CUDA_LDFLAGS} ${CMAKE_THREAD_LIBS_INIT} -lm)
list(JOIN RIN_STATIC_LIBS " " RIN_STATIC_LDFLAGS)

set(RIN_PC_DIR ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(RIN_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/rin)
# Folders that were given whole are written whole.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(RIN_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
  set(RIN_PC_LIBDIR ${CMAKE_INSTALL_LIBDIR})
else()
  file(RELATIVE_PATH RIN_PC_PREFIX /prefix/${RIN_PC_DIR} /prefix)
  set(RIN_PC_PREFIX "\${pcfiledir}/${RIN_PC_PREFIX}")
  set(RIN_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(RIN_PC_INCLUDEDIR ${CMAKE_INSTALL_INCLUDEDIR})
else()
  set(RIN_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(cmake/rin.pc.in ${PROJECT_BINARY_DIR}/rin.pc @ONLY)
configure_package_config_file(cmake/rin-config.cmake.in ${PROJECT_BINARY_DIR}/rin-config.cmake
  INSTALL_DESTINATION ${RIN_PACKAGE_DIR} PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/rin-config-version.cmake COMPATIBILITY SameMinorVersion)

install(TARGETS rin rin_static rin_shared
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/rin.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_BINARY_DIR}/rin.pc DESTINATION ${RIN_PC_DIR})
install(FILES ${PROJECT_BINARY_DIR}/rin-config.cmake ${PROJECT_BINARY_DIR}/rin-config-version.cmake
  DESTINATION ${RIN_PACKAGE_DIR})
