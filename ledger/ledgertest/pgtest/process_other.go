//go:build !unix

package pgtest

import "os/exec"

// Without Unix there is no shell that would end the servers, and none is started: what uses them is only compiled.

func apart(*exec.Cmd, *account) {}

func reaped(int) bool { return false }
