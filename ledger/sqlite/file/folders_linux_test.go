package file_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func init() { children["open"] = childOpen }

func childOpen() int {
	l, err := Open(context.Background(), Options{File: os.Getenv("LEDGER_FILE")})
	if err != nil {
		return complain("open", err)
	}
	if err := l.Close(); err != nil {
		return complain("close", err)
	}
	return 0
}

// TestNewFoldersOnDisk: every folder in which something was made for the ledger is forced to the disk, and an error there is one.
func TestNewFoldersOnDisk(t *testing.T) {
	needStrace(t)
	root := t.TempDir()
	self, err := os.Executable()
	must(t, err)
	run := func(file string, args ...string) (trace string, err error) {
		output := filepath.Join(t.TempDir(), "trace")
		cmd := exec.Command("strace", append(append([]string{"-f", "-y", "-e", "trace=fsync", "-o", output}, args...), self)...)
		cmd.Env = append(os.Environ(), "LEDGER_CHILD=open", "LEDGER_FILE="+file)
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		b, rerr := os.ReadFile(output)
		must(t, rerr)
		return string(b), err
	}
	trace, err := run(filepath.Join(root, "a", "b", "ledger.db"))
	must(t, err)
	last := filepath.Join(root, "a", "b")
	for _, folder := range []string{root, filepath.Join(root, "a"), last} {
		if !strings.Contains(trace, "<"+folder+">") {
			t.Errorf("%s is not forced to the disk:\n%s", folder, trace)
		}
	}
	if strings.Count(trace, "<"+last+">") < 2 {
		t.Errorf("the folder is not forced to the disk after the -wal file was made:\n%s", trace)
	}
	if _, err := run(filepath.Join(root, "c", "ledger.db"), "-P", root, "-e", "inject=fsync:error=EIO"); err == nil {
		t.Error("opened although a folder could not be forced to the disk")
	}
}
