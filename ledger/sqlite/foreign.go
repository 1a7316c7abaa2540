package sqlite

// FileSystem names the kind of file system that a file or folder is on where that is no local one, like NFS; empty: a local one, or nobody can
// say.
func FileSystem(file string) string { return fileSystem(file) }
