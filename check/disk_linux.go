package check

import "syscall"

// Free is how many bytes the disk of a file or folder has left for this process.
func Free(file string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(file, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * s.Bsize, nil
}
