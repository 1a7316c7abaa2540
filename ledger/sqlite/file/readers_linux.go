package file

import (
	"bufio"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Bytes of the -shm file that SQLite locks while somebody reads what is in the -wal file.
const (
	firstReader = 123
	lastReader  = 127
)

// ReadersOf returns the processes, other than this one, that read at this moment, as far as the system says.
func ReadersOf(shm string) (pids []int) {
	info, err := os.Stat(shm)
	if err != nil {
		return nil
	}
	inode := strconv.FormatUint(info.Sys().(*syscall.Stat_t).Ino, 10)
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return nil
	}
	defer locks.Close()
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		f := strings.Fields(lines.Text()) // 1: POSIX ADVISORY READ 1234 fd:01:5678 123 123
		if len(f) != 8 || f[1] != "POSIX" || !strings.HasSuffix(f[5], ":"+inode) {
			continue
		}
		pid, err := strconv.Atoi(f[4])
		first, err2 := strconv.Atoi(f[6])
		if err == nil && err2 == nil && pid > 0 && pid != os.Getpid() && first >= firstReader && first <= lastReader && !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}
