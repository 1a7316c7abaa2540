//go:build !linux

package file

// FileSystem names the kind of file system that a file is on where that is no local one; here nobody can say.
func FileSystem(string) string { return "" }
