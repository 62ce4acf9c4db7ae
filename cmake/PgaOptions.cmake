# Compiler, warnings, hardening and sanitizers: one place for all targets.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_CXX_FLAGS_DEV "-O1 -g1")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")

set(PGA_SANITIZE "" CACHE STRING "sanitizers for -fsanitize=, comma separated; empty for none")
option(PGA_FUZZ "build the libFuzzer targets (clang)" OFF)

add_library(pga_options INTERFACE)
target_compile_options(pga_options INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-qual -Woverloaded-virtual -Wconversion
  -Wno-sign-conversion -fno-strict-aliasing)
target_include_directories(pga_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(pga_options INTERFACE PGA_VERSION="${PROJECT_VERSION}")

if(PGA_SANITIZE)
  target_compile_options(pga_options INTERFACE -fsanitize=${PGA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(pga_options INTERFACE -fsanitize=${PGA_SANITIZE})
  if(PGA_SANITIZE MATCHES "address" AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # spdlog, fmt and yaml-cpp are not instrumented, so container annotations would report what they fill.
    target_compile_definitions(pga_options INTERFACE _GLIBCXX_SANITIZE_VECTOR=0)
  endif()
else()
  # Hardening. _FORTIFY_SOURCE needs optimisation, which every preset has.
  target_compile_options(pga_options INTERFACE -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    target_compile_options(pga_options INTERFACE -fcf-protection=full)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    target_compile_options(pga_options INTERFACE -mbranch-protection=standard)
  endif()
  target_link_options(pga_options INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
endif()

find_program(PGA_MOLD mold)
if(PGA_MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_link_options(pga_options INTERFACE -fuse-ld=mold)
elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_link_options(pga_options INTERFACE -fuse-ld=lld)
endif()

include(CheckPIESupported)
check_pie_supported()
