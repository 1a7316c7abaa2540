//go:build unix

package pgtest

import (
	"os/exec"
	"syscall"
)

// apart has a program run as a user, nil: as who runs the tests, and in a session of its own: an interrupt from a terminal is for the tests.
func apart(cmd *exec.Cmd, as *account) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if as != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(as.uid), Gid: uint32(as.gid)}
	}
}

// reaped says whether a process has ended, which is known of it once.
func reaped(pid int) bool {
	var status syscall.WaitStatus
	ended, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
	return err == nil && ended != 0
}
