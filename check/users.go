package check

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Users returns the other processes that have a ledger's files open, as far as this one may see: on Linux, those of its own user, or all for root.
func Users(file string) (users []User) {
	self := strconv.Itoa(os.Getpid())
	own, _ := started("/proc/self")
	ownName := named("/proc/self")
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
			ticks, ok := started(dir)
			if !ok { // it has ended just now
				continue
			}
			name := named(dir)
			users = append(users, User{PID: pid, Name: name, Since: Began.Add(time.Duration(ticks-own) * tick), Alike: name == ownName})
		}
	}
	return users
}

// Began is when this process was started.
var Began = time.Now()

const tick = time.Second / 100 // in which Linux says when a process was started, since the machine was

func started(dir string) (ticks int64, ok bool) {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // the name before it may hold anything
	if len(fields) < 20 {
		return 0, false
	}
	ticks, err = strconv.ParseInt(fields[19], 10, 64)
	return ticks, err == nil
}

func named(dir string) string {
	comm, _ := os.ReadFile(filepath.Join(dir, "comm"))
	return strings.TrimSpace(string(comm))
}
