//go:build unix

package file

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// owner names the user whose file it is; empty: nobody can say.
func owner(info os.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	id := strconv.FormatUint(uint64(stat.Uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "#" + id // as sudo takes it
}
