package check

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Users returns the other processes that have a ledger's files open, as far as this one may see: on Linux, those of its own user, or all for root.
func Users(file string) (users []User) {
	self := strconv.Itoa(os.Getpid())
	for _, name := range []string{file, file + "-wal"} {
		fds, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is sound
		for _, fd := range fds {
			if target, err := os.Readlink(fd); err != nil || target != name {
				continue
			}
			dir := filepath.Dir(filepath.Dir(fd))
			pid, err := strconv.Atoi(filepath.Base(dir))
			if err != nil || filepath.Base(dir) == self || slices.ContainsFunc(users, func(u User) bool { return u.PID == pid }) {
				continue
			}
			info, err := os.Stat(dir) // made when the process was started, or first looked at
			if err != nil {
				continue
			}
			comm, _ := os.ReadFile(filepath.Join(dir, "comm")) // it may have ended just now
			users = append(users, User{PID: pid, Name: strings.TrimSpace(string(comm)), Since: info.ModTime()})
		}
	}
	return users
}
