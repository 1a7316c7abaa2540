package file

import (
	"errors"
	"os"
	"syscall"
)

// datasync writes a file to the disk. fdatasync leaves out the time stamps only: it is as durable as fsync and costs half.
func datasync(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// syncFolder writes the names in a folder to the disk.
func syncFolder(path string) error {
	dir, err := os.Open(path)
	if errors.Is(err, os.ErrPermission) {
		return nil // one that we may not read is not one that we have made
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // a file system that cannot do it need not
		return err
	}
	return nil
}
