package main

import (
	"os"
	"syscall"
)

func init() {
	datasync = func(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
}
