package file_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func init() { children["torn"], children["torn by the writer"] = childTorn, childTornByWriter }

// childTornByWriter has the writer fold the -wal file into such a ledger.
func childTornByWriter() int {
	l, err := Open(context.Background(), Options{File: os.Getenv("LEDGER_FILE")})
	if err != nil {
		return complain("open", err)
	}
	if _, err := l.Append(context.Background(), newEvent("evt_1")); err != nil {
		return complain("append", err)
	}
	l.inside.Behind().Store(true)
	did, err := l.Append(context.Background(), newEvent("evt_2"))
	fmt.Printf("torn %t, failed %t; %s %v\n", l.inside.Torn.Load(), l.inside.Failed.Load(), did, err)
	if !errors.Is(err, errForce) {
		return complain("append behind it", err)
	}
	return 0
}

// childTorn folds the -wal file into a ledger whose own file cannot be forced to the disk.
func childTorn() int {
	l, err := Open(context.Background(), Options{File: os.Getenv("LEDGER_FILE")})
	if err != nil {
		return complain("open", err)
	}
	if _, err := l.Append(context.Background(), newEvent("evt_1")); err != nil {
		return complain("append", err)
	}
	l.inside.Fold()
	fmt.Printf("torn %t, failed %t\n", l.inside.Torn.Load(), l.inside.Failed.Load())
	return 0
}

// TestTorn: what was copied into the ledger's own file and could not be forced there may be lost, although the system takes it for written: all
// of the -wal file has to be copied again before anything else is acknowledged.
func TestTorn(t *testing.T) {
	needStrace(t)
	self, err := os.Executable()
	must(t, err)
	for _, child := range []string{"torn", "torn by the writer"} {
		file := newFile(t)
		must(t, openFileOnce(t, file))
		cmd := exec.CommandContext(t.Context(), "strace", "-f", "-o", os.DevNull, "-P", file, "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO", self)
		cmd.Env = append(os.Environ(), "LEDGER_CHILD="+child, "LEDGER_FILE="+file)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "torn true, failed true") {
			t.Fatalf("%s: after a copy that was not forced to the disk: %v\n%s", child, err, out)
		}
		l := openFile(t, file)
		has(t, l, "evt_1")
		sound(t, l)
	}
}
