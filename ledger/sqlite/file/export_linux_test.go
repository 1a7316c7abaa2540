package file

var Foreign, Magic = foreign, magic
