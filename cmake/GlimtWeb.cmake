# The page of web/ as a source file that embeds it. Where node or the packages of web/ are missing, the page stays as it
# was built before; where it never was, the program is built without it, and `glimt serve` says at / what to do.
set(web_dir ${PROJECT_SOURCE_DIR}/web)
find_program(GLIMT_NODE node DOC "node 18.18 or newer, which builds the page")

# Sets `variable` to the source file. It defines web_page_data() (src/server/web_page.h).
function(glimt_web_page variable)
  set(data ${CMAKE_BINARY_DIR}/web/web_page_data.cpp)
  set(${variable} ${data} PARENT_SCOPE)
  set(vite ${web_dir}/node_modules/vite/bin/vite.js)
  # Installing the packages later makes the next build configure anew.
  file(GLOB vite_found CONFIGURE_DEPENDS ${web_dir}/node_modules/vite/bin/vite.js)
  if(NOT GLIMT_NODE OR NOT vite_found)
    if(NOT EXISTS ${data})
      message(STATUS "The web page is left out: scripts/setup.sh installs what it is built with")
      configure_file(${PROJECT_SOURCE_DIR}/cmake/web_page_missing.cpp.in ${data} COPYONLY)
    endif()
    return()
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${web_dir}/src/*)
  list(APPEND sources ${web_dir}/index.html ${web_dir}/package-lock.json ${web_dir}/vite.config.ts
    ${web_dir}/scripts/embed.mjs ${web_dir}/scripts/first_frame.ts ${web_dir}/scripts/policy.mjs)
  add_custom_command(OUTPUT ${data}
    COMMAND ${GLIMT_NODE} ${vite} build --logLevel warn --emptyOutDir --outDir ${CMAKE_BINARY_DIR}/web/dist
    COMMAND ${GLIMT_NODE} ${web_dir}/scripts/embed.mjs ${CMAKE_BINARY_DIR}/web/dist/index.html ${data}
    WORKING_DIRECTORY ${web_dir} DEPENDS ${sources} COMMENT "Building the web page" VERBATIM)
endfunction()
