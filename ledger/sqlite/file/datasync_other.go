//go:build !linux

package file

import "os"

// datasync writes a file to the disk.
func datasync(f *os.File) error { return f.Sync() }

// syncFolder writes the names in a folder to the disk, where the system can do that.
func syncFolder(path string) error {
	if dir, err := os.Open(path); err == nil {
		_ = dir.Sync()
		_ = dir.Close()
	}
	return nil
}
