package check

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Another process that has the ledger open is named, and whether it is the same program as this one; this one is not.
func TestUsers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	mine, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	if users := Users(file); len(users) != 0 {
		t.Errorf("%+v", users)
	}
	cmd := exec.Command("sh", "-c", "exec 3<"+file+"; echo open; read line; printf %s "+named("/proc/self")+" > /proc/$$/comm; echo renamed; read line")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	users := Users(file)
	if len(users) != 1 || users[0].PID != cmd.Process.Pid || users[0].Name != "sh" || users[0].Alike || time.Since(users[0].Since).Abs() > time.Hour {
		t.Errorf("%+v", users)
	}
	_, _ = io.WriteString(in, "\n")
	if line, err := lines.ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	if users := Users(file); len(users) != 1 || !users[0].Alike {
		t.Errorf("of the same name: %+v", users)
	}
	_, _ = io.WriteString(in, "\n")
	_ = cmd.Wait() // read ends
	if users := Users(file); len(users) != 0 {
		t.Errorf("afterwards: %+v", users)
	}
	if free, err := Free(filepath.Dir(file)); err != nil || free <= 0 {
		t.Error(free, err)
	}
}
