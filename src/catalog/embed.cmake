# Writes the declarations as {path, text} pairs of C++ raw strings.
set(content "")
foreach(file ${FILES})
  file(READ ${file} text)
  file(RELATIVE_PATH name ${ROOT} ${file})
  string(APPEND content "{\"${name}\", R\"yaml(${text})yaml\"},\n")
endforeach()
file(WRITE ${OUT} "${content}")
