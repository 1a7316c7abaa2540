package sqlite

import (
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
