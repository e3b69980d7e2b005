# GLIMT_FOLDERS: the folders of src/ as src/layers.txt names them, lowest first.
set(layers_file ${PROJECT_SOURCE_DIR}/src/layers.txt)
set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${layers_file})
file(STRINGS ${layers_file} lines REGEX "^[a-z_]+:")
list(TRANSFORM lines REPLACE ":.*" "" OUTPUT_VARIABLE GLIMT_FOLDERS)

# Adds those of GLIMT_FOLDERS, and then of the arguments, that have a CMakeLists.txt beneath the current folder.
macro(glimt_add_folders)
  foreach(folder ${GLIMT_FOLDERS} ${ARGN})
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt)
      add_subdirectory(${folder})
    endif()
  endforeach()
endmacro()
