//go:build !linux

package file

// fileSystem names the kind of file system that a file is on where that is no local one; here nobody can say.
func fileSystem(string) string { return "" }
