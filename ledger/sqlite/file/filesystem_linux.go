package file

import "syscall"

// FileSystem names the kind of file system that a file is on where that is no local one: fsync, locks and shared memory are then what
// another machine, or a program, makes of them. Empty: a local one, or nobody can say.
func FileSystem(file string) string { return foreign(magic(file)) }

// magic is the number of the file system that a file is on; 0: unknown.
func magic(file string) uint32 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(file, &s); err != nil {
		return 0
	}
	return uint32(s.Type)
}

// foreign knows file systems by their magic numbers (linux/magic.h), of which four bytes count.
func foreign(magic uint32) string {
	switch magic {
	case 0x6969:
		return "NFS"
	case 0xff534d42, 0xfe534d42, 0x517b:
		return "CIFS"
	case 0x01021997:
		return "9p"
	case 0x65735546:
		return "FUSE"
	case 0x786f4256:
		return "vboxsf"
	case 0x00c36400:
		return "Ceph"
	case 0x5346414f, 0x6b414653:
		return "AFS"
	}
	return ""
}
